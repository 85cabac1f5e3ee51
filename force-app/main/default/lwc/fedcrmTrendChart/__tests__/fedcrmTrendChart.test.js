import { createElement } from 'lwc';
import FedcrmTrendChart from 'c/fedcrmTrendChart';
import explanation from '../../../../../test/fixtures/explanation.json';

function show(properties) {
    const element = createElement('c-fedcrm-trend-chart', { is: FedcrmTrendChart });
    Object.assign(element, properties);
    document.body.appendChild(element);
    return element;
}

afterEach(() => document.body.replaceChildren());

describe('c-fedcrm-trend-chart', () => {
    it('draws one point a score and marks where the model changed', async () => {
        const element = show({ trend: explanation.trend });
        expect(element.shadowRoot.querySelectorAll('.dot')).toHaveLength(4);
        expect(element.shadowRoot.querySelectorAll('.change')).toHaveLength(1);
        const alt = element.shadowRoot.querySelector('svg').getAttribute('aria-label');
        expect(alt).toContain('38');
        expect(alt).toContain('new model 8ad2c77e0b14');
        await expect(element).toBeAccessible();
    });
    it('draws a higher score higher up', () => {
        const dots = [...show({ trend: explanation.trend }).shadowRoot.querySelectorAll('.dot')];
        const heights = dots.map((dot) => Number(dot.getAttribute('cy')));
        expect(heights).toEqual([...heights].sort((a, b) => b - a));
    });
    it('shows the same scores as a table', async () => {
        const element = show({ trend: explanation.trend, asTable: true });
        const scores = [...element.shadowRoot.querySelectorAll('tbody td:nth-child(2)')].map((td) => td.textContent);
        expect(scores).toEqual(['38', '44', '51', '72']);
        await expect(element).toBeAccessible();
    });
    it('draws a single score in the middle', () => {
        const dot = show({ trend: explanation.trend.slice(0, 1) }).shadowRoot.querySelector('.dot');
        expect(Number(dot.getAttribute('cx'))).toBe(170);
    });
    it('says so where there is no history', () => {
        expect(show({ trend: [] }).shadowRoot.querySelector('[data-id="empty"]').textContent).toBe(
            'No earlier scores yet.'
        );
    });
});
