import { createElement } from 'lwc';
import FedcrmAttributionChart from 'c/fedcrmAttributionChart';
import explanation from '../../../../../test/fixtures/explanation.json';

const number = (text) => Number(text.replace('\u2212', '-').replace('+', ''));

function show(properties = {}) {
    const element = createElement('c-fedcrm-attribution-chart', { is: FedcrmAttributionChart });
    Object.assign(element, {
        attributions: explanation.attributions,
        otherPoints: explanation.otherPoints,
        baseline: explanation.baseline,
        score: explanation.score,
        decimals: 1,
        ...properties
    });
    document.body.appendChild(element);
    return element;
}

afterEach(() => document.body.replaceChildren());

describe('c-fedcrm-attribution-chart', () => {
    it('shows points that lead from the average record to the score', async () => {
        const element = show({ asTable: true });
        const numbers = [...element.shadowRoot.querySelectorAll('tbody td:nth-child(2)')].map((td) =>
            number(td.textContent)
        );
        const score = numbers.pop();
        expect(numbers.reduce((a, b) => a + b)).toBeCloseTo(score, 9);
        await expect(element).toBeAccessible();
    });
    it('names six factors and adds the rest to all other factors', async () => {
        const element = show();
        const rows = [...element.shadowRoot.querySelectorAll('[data-factor]')];
        expect(rows.map((row) => row.dataset.factor)).toEqual([
            'open_cases',
            'days_since_meeting',
            'executive_sponsor',
            'email_replies',
            'credit_limit',
            'open_value',
            'other'
        ]);
        expect(rows[6].querySelector('.points').textContent).toBe('+5.9');
        await expect(element).toBeAccessible();
    });
    it('says in words what a bar shows', () => {
        const spoken = [...show().shadowRoot.querySelectorAll('.factor > .slds-assistive-text')].map(
            (one) => one.textContent
        );
        expect(spoken[0]).toBe('Open support cases (11) raises the score by 14.1');
        expect(spoken[2]).toBe('Executive sponsor (1) lowers the score by 8.1');
    });
    it('keeps a value hidden that the user may not see, and its bar', () => {
        const row = show().shadowRoot.querySelector('[data-factor="credit_limit"]');
        expect(row.querySelector('.value').textContent).toBe('Hidden by your field permissions');
        expect(row.querySelector('.bar')).not.toBeNull();
    });
    it('says that a value is not filled in', () => {
        const row = show().shadowRoot.querySelector('[data-factor="email_replies"]');
        expect(row.querySelector('.value').textContent).toBe('not filled in');
    });
    it('draws the largest factor over half of the width and the others in proportion', () => {
        const width = (factor) =>
            parseFloat(show().shadowRoot.querySelector(`[data-factor="${factor}"] .bar`).style.inlineSize);
        expect(width('open_cases')).toBe(50);
        expect(width('executive_sponsor')).toBeCloseTo((8.1 / 14.1) * 50, 3);
    });
    it('says how much of a factor comes from the federation and how much from the own data', () => {
        const row = show({ asTable: true }).shadowRoot.querySelector('[data-factor="open_cases"]');
        expect([...row.querySelectorAll('td')].map((td) => td.textContent)).toEqual(['+14.1', '+9.2', '+4.9']);
    });
    it('takes the two parts of a factor from the node where it names them', () => {
        const attributions = [
            {
                feature: 'a',
                source: 'federation',
                label: 'A',
                value: '1',
                points: 5,
                federationPoints: 7.5,
                ownPoints: -2.5
            }
        ];
        const row = show({ asTable: true, attributions }).shadowRoot.querySelector('[data-factor="a"]');
        expect([...row.querySelectorAll('td')].map((td) => td.textContent)).toEqual(['+5.0', '+7.5', '\u22122.5']);
    });
    it('stands without any factor', () => {
        const rows = show({ attributions: [], otherPoints: 0 }).shadowRoot.querySelectorAll('[data-factor]');
        expect(rows).toHaveLength(1);
    });
});
