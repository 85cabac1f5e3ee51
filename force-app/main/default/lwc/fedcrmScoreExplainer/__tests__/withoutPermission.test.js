import { createElement } from 'lwc';
import FedcrmScoreExplainer from 'c/fedcrmScoreExplainer';
import getExplanation from '@salesforce/apex/PredictionController.getExplanation';
import explanation from '../../../../../test/fixtures/explanation.json';

jest.mock(
    '@salesforce/apex/PredictionController.getExplanation',
    () => {
        const { createApexTestWireAdapter } = require('@salesforce/sfdx-lwc-jest');
        return { default: createApexTestWireAdapter(jest.fn()) };
    },
    { virtual: true }
);
jest.mock('@salesforce/apex/PredictionController.requestScore', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/apex/PredictionController.saveFeedback', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/customPermission/FedCRM_View_Scores', () => ({ default: false }), { virtual: true });

describe('c-fedcrm-score-explainer without its permission', () => {
    it('names the permission set to ask for and shows no score', async () => {
        const element = createElement('c-fedcrm-score-explainer', { is: FedcrmScoreExplainer });
        element.recordId = '001000000000001AAA';
        document.body.appendChild(element);
        getExplanation.emit(explanation);
        await Promise.resolve();
        expect(element.shadowRoot.querySelector('[data-id="denied"]').textContent).toContain('FedCRM Viewer');
        expect(element.shadowRoot.querySelector('c-fedcrm-score-gauge')).toBeNull();
        await expect(element).toBeAccessible();
    });
});
