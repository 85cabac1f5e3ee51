import '@lwc/synthetic-shadow';
import { createElement } from 'lwc';
import ScoreExplainer from 'c/fedcrmScoreExplainer';

const query = new URLSearchParams(window.location.search);
const element = createElement('c-fedcrm-score-explainer', { is: ScoreExplainer });
element.recordId = query.get('recordId');
element.objectApiName = query.get('objectApiName') ?? undefined;
element.task = query.get('task') ?? 'auto';
document.getElementById('host').appendChild(element);
