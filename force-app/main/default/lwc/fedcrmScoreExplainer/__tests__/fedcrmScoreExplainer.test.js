import { createElement } from 'lwc';
import FedcrmScoreExplainer from 'c/fedcrmScoreExplainer';
import getExplanation from '@salesforce/apex/PredictionController.getExplanation';
import requestScore from '@salesforce/apex/PredictionController.requestScore';
import saveFeedback from '@salesforce/apex/PredictionController.saveFeedback';
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
jest.mock('@salesforce/customPermission/FedCRM_View_Scores', () => ({ default: true }), { virtual: true });

const settle = async () => {
    for (let turn = 0; turn < 6; turn++) {
        // eslint-disable-next-line no-await-in-loop
        await Promise.resolve();
    }
};
const find = (element, id) => element.shadowRoot.querySelector(`[data-id="${id}"]`);
const textOf = (element, id) => find(element, id)?.textContent.trim();

async function open(data) {
    const element = createElement('c-fedcrm-score-explainer', { is: FedcrmScoreExplainer });
    element.recordId = '001000000000001AAA';
    document.body.appendChild(element);
    if (data) {
        getExplanation.emit({ ...explanation, ...data });
    }
    await settle();
    return element;
}

afterEach(() => {
    document.body.replaceChildren();
    jest.clearAllMocks();
});

describe('c-fedcrm-score-explainer', () => {
    it('shows score, likely range, average, confidence and why', async () => {
        const element = await open({});
        const gauge = element.shadowRoot.querySelector('c-fedcrm-score-gauge');
        expect(gauge.altText).toBe('Churn risk: 72.3 out of 100, High. Likely range 66.1 to 78.4. Average record 41.3');
        expect(textOf(element, 'band')).toBe('High');
        expect(textOf(element, 'range')).toBe('Likely range 66.1 to 78.4');
        expect(textOf(element, 'confidence')).toBe('Confidence: high');
        expect(textOf(element, 'why')).toBe(explanation.whyText);
        expect(textOf(element, 'recommendation')).toContain('Call an executive contact');
        expect(find(element, 'changes').textContent).toContain('11 \u2192 4 or less');
        expect(find(element, 'changes').textContent).toContain('72.3 \u2192 58.0');
        await expect(element).toBeAccessible();
    });
    it('colours a high score by what high means for the task', async () => {
        expect((await open({})).shadowRoot.querySelector('c-fedcrm-score-gauge').tone).toBe('bad');
        document.body.replaceChildren();
        const win = await open({ polarity: 'HIGH_IS_GOOD', taskLabel: 'Win probability' });
        expect(win.shadowRoot.querySelector('c-fedcrm-score-gauge').tone).toBe('good');
    });
    it('waits in a box of fixed height', async () => {
        const element = await open();
        expect(find(element, 'loading')).not.toBeNull();
        await expect(element).toBeAccessible();
    });
    it('offers to score a record that has no score, and shows the score once it is there', async () => {
        const element = await open({ status: 'NO_SCORE' });
        await expect(element).toBeAccessible();
        requestScore.mockResolvedValue(explanation);
        find(element, 'score-now').click();
        await settle();
        expect(requestScore).toHaveBeenCalledWith({ recordId: '001000000000001AAA', task: '' });
        expect(element.shadowRoot.querySelector('c-fedcrm-score-gauge').score).toBe(72.3);
        expect(textOf(element, 'announcement')).toBe('New score: 72.3');
    });
    it('keeps the last stored score in sight when the service does not answer', async () => {
        const element = await open({});
        requestScore.mockRejectedValue({ body: { message: 'The scoring service did not answer.' } });
        find(element, 'refresh').click();
        await settle();
        expect(textOf(element, 'score-error')).toContain('The scoring service did not answer. Below is the last score');
        expect(element.shadowRoot.querySelector('c-fedcrm-score-gauge').score).toBe(72.3);
        await expect(element).toBeAccessible();
    });
    it('shows no score to a user whose permission Apex misses', async () => {
        const element = await open({ status: 'NO_PERMISSION' });
        expect(textOf(element, 'denied')).toContain('FedCRM Viewer');
        expect(element.shadowRoot.querySelector('c-fedcrm-score-gauge')).toBeNull();
    });
    it('says what went wrong where nothing could be read, and offers to try again', async () => {
        const element = await open();
        getExplanation.error({ message: 'No access to this record' });
        await settle();
        expect(textOf(element, 'load-error')).toContain('No access to this record');
        find(element, 'retry').click();
        await settle();
        await expect(element).toBeAccessible();
    });
    it('says how old a stale score is and how many values have changed', async () => {
        const element = await open({ status: 'STALE', ageDays: 12, changedFields: 3 });
        expect(textOf(element, 'stale')).toBe(
            'This score is 12 days old. Values it rests on that have changed since: 3.'
        );
    });
    it('says why a score is stale that is neither old nor changed', async () => {
        const element = await open({ status: 'STALE', ageDays: 0, changedFields: 0 });
        expect(textOf(element, 'stale')).toContain('the newest model has not scored this record');
        await expect(element).toBeAccessible();
    });
    it('reads a change as the model meant it: so much or more, so much or less, or exactly', async () => {
        const one = { label: 'Meetings', fromValue: '1', toValue: '3', newScore: 60 };
        const step = async (comparison) => {
            document.body.replaceChildren();
            const element = await open({ counterfactuals: [{ ...one, comparison }] });
            return find(element, 'changes').querySelector('.step').textContent;
        };
        expect(await step('at_least')).toBe('1 \u2192 3 or more');
        expect(await step('at_most')).toBe('1 \u2192 3 or less');
        expect(await step('equal')).toBe('1 \u2192 3');
        expect(await step(undefined)).toBe('1 \u2192 3');
    });
    it('treats a score of low confidence as a hint and says why it is unsure', async () => {
        const element = await open({
            status: 'LOW_CONFIDENCE',
            confidence: 0.3,
            confidenceBand: 'LOW',
            confidenceReasons: ['few_similar_records', 'out_of_range', 'a_later_reason']
        });
        expect(find(element, 'hint')).not.toBeNull();
        expect(element.shadowRoot.querySelector('c-fedcrm-attribution-chart').muted).toBe(true);
        const reasons = [...find(element, 'confidence-reasons').querySelectorAll('li')].map((li) => li.textContent);
        expect(reasons).toEqual(['Few similar records were seen', 'A value is outside what was seen before']);
        await expect(element).toBeAccessible();
    });
    it('names the last good model where a newer one was withheld', async () => {
        const element = await open({ status: 'WITHHELD', modelVersion: '4f1c0a9be2d1' });
        expect(textOf(element, 'withheld')).toContain('4f1c0a9be2d1');
    });
    it('stores an answer at once when it is yes, and asks why when it is no', async () => {
        saveFeedback.mockResolvedValue(undefined);
        const element = await open({});
        const feedback = element.shadowRoot.querySelector('c-fedcrm-feedback');
        find(feedback, 'no').click();
        await settle();
        expect(saveFeedback).not.toHaveBeenCalled();
        feedback.shadowRoot
            .querySelector('lightning-radio-group')
            .dispatchEvent(new CustomEvent('change', { detail: { value: 'Outdated' } }));
        find(feedback, 'send').click();
        await settle();
        expect(saveFeedback).toHaveBeenCalledWith({
            recordId: '001000000000001AAA',
            task: 'churn',
            helpful: false,
            reason: 'Outdated'
        });
        expect(textOf(feedback, 'thanks')).toContain('Thank you');
    });
    it('says so when an answer could not be stored', async () => {
        saveFeedback.mockRejectedValue({ body: { message: 'Read only' } });
        const element = await open({});
        find(element.shadowRoot.querySelector('c-fedcrm-feedback'), 'yes').click();
        await settle();
        expect(textOf(element, 'feedback-error')).toBe('Read only');
    });
    it('shows bars or a table, as the user likes', async () => {
        const element = await open({});
        find(element, 'factors-toggle').click();
        await settle();
        expect(element.shadowRoot.querySelector('c-fedcrm-attribution-chart').asTable).toBe(true);
    });
    it('tells which model, which privacy and whose records', async () => {
        const element = await open({});
        const facts = element.shadowRoot.querySelector('c-fedcrm-model-facts').shadowRoot.textContent;
        expect(facts).toContain('\u03b5 = 8, \u03b4 = 1e-5');
        expect(facts).toContain('Smaller epsilon means stronger privacy.');
        expect(facts).toContain("97 % of this period's");
        expect(facts).toContain('all organizations together and this organization');
    });
    it('links a model card only where the address leads to the node', async () => {
        const named = await open({});
        const inside = named.shadowRoot.querySelector('c-fedcrm-model-facts').shadowRoot;
        expect(inside.querySelector('a')).toBeNull();
        expect(inside.querySelector('[data-id="card"]').textContent).toBe(explanation.modelCardUrl);
        document.body.replaceChildren();
        const linked = await open({ modelCardUrl: 'https://node.example/v1/models/7/card' });
        const link = linked.shadowRoot.querySelector('c-fedcrm-model-facts').shadowRoot.querySelector('a');
        expect(link.href).toBe('https://node.example/v1/models/7/card');
    });
    it('names a wide range among the reasons for little confidence', async () => {
        const element = await open({
            confidenceBand: 'LOW',
            confidenceReasons: ['wide_interval', 'of_a_later_version']
        });
        expect(textOf(element, 'confidence-reasons')).toBe('The likely range is wide');
    });
});
