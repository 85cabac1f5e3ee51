// Every designed state of the score component in a real browser: both themes, wide and 320 px, keyboard, axe.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { answering, states } from '../states.mjs';
import { start } from '../server.mjs';
import { launch, tabOrder, violations } from './browser.mjs';

const current = { state: 'ready' };
const { apex, calls } = answering(current);
let browser;
let server;

/** What stands on the page once a state has settled. */
const SIGN = {
    ready: /Mostly raised by Open support cases/,
    winning: /Win probability/,
    empty: /No score yet/,
    stale: /12 days old/,
    hint: /hint, no more/,
    withheld: /did not pass the check/,
    unreachable: /Mostly raised/,
    failed: /You do not have access/,
    loading: /Loading the score/
};

async function open(state, { theme = 'slds1', width = 520, query = '' } = {}) {
    current.state = state;
    const page = await browser.newPage({ viewport: { width, height: 1000 } });
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
    await page.goto(`${server.url}?recordId=001000000000001AAA&theme=${theme}${query}`);
    await page
        .getByText(query ? /FedCRM Viewer/ : SIGN[state])
        .first()
        .waitFor();
    return page;
}

before(async () => {
    server = await start(apex);
    browser = await launch();
});
after(async () => {
    await browser?.close();
    server?.close();
});

describe('the score component in a browser', () => {
    for (const theme of ['slds1', 'slds2']) {
        for (const width of [520, 320]) {
            for (const state of Object.keys(states)) {
                it(`${state} in ${theme} at ${width} px: no accessibility violation, nothing cut off`, async () => {
                    const page = await open(state, { theme, width });
                    assert.deepEqual(await violations(page), []);
                    const overflow = await page.evaluate(
                        () => document.documentElement.scrollWidth - document.documentElement.clientWidth
                    );
                    assert.equal(overflow, 0);
                    assert.deepEqual(
                        page.problems.filter((one) => !/status of 500/.test(one)),
                        []
                    );
                    await page.close();
                });
            }
        }
    }
    it('axe finds what is wrong where something is', async () => {
        const page = await open('ready');
        await page.evaluate(() => {
            const wrong = document.createElement('div');
            wrong.innerHTML = '<svg role="img"></svg><p style="color:#ccc;background:#fff">faint</p><button></button>';
            document.getElementById('host').appendChild(wrong);
        });
        const found = (await violations(page)).map((one) => one.split(':')[0]);
        assert.deepEqual([...found].sort(), ['button-name', 'color-contrast', 'svg-img-alt']);
        await page.close();
    });
    it('is worked by the keyboard alone, in reading order', async () => {
        const page = await open('ready');
        const reached = await tabOrder(page);
        assert.deepEqual(reached.slice(0, 2), ['Refresh', 'Show as table']);
        assert.deepEqual(reached.slice(-2), ['Yes, it was helpful', 'No, it was not helpful']);
        await page.getByRole('button', { name: 'Show as table' }).focus();
        await page.keyboard.press('Enter');
        assert.equal(await page.getByRole('row').count(), 1 + 1 + 7 + 1);
        await page.close();
    });
    it('gives every control at least 24 by 24 px', async () => {
        const page = await open('ready');
        const small = await page.evaluate(() => {
            const found = [];
            for (const button of document.querySelectorAll('#host button')) {
                const { width, height } = button.getBoundingClientRect();
                if (width < 24 || height < 24) {
                    found.push(`${button.textContent.trim() || button.title}: ${width} x ${height}`);
                }
            }
            return found;
        });
        assert.deepEqual(small, []);
        await page.close();
    });
    it('scores a record that has no score and shows the score', async () => {
        const page = await open('empty');
        await page.getByRole('button', { name: 'Score now' }).click();
        await page.getByRole('img', { name: /Churn risk: 72.3 out of 100, High/ }).waitFor();
        assert.deepEqual(calls.at(-1).parameters, { recordId: '001000000000001AAA', task: '' });
        await page.close();
    });
    it('keeps the last stored score when the service is down', async () => {
        const page = await open('unreachable');
        await page.getByRole('button', { name: 'Refresh' }).click();
        await page
            .getByRole('alert')
            .getByText(/did not answer within 10 seconds/)
            .waitFor();
        assert.equal(await page.getByRole('img', { name: /72.3 out of 100/ }).count(), 1);
        assert.deepEqual(await violations(page), []);
        await page.close();
    });
    it('asks why a score was not helpful and stores the answer', async () => {
        const page = await open('ready');
        await page.getByRole('button', { name: 'No, it was not helpful' }).click();
        await page.getByText('It is out of date').click();
        assert.deepEqual(await violations(page), []);
        await page.getByRole('button', { name: 'Send' }).click();
        await page.getByText('Thank you.').waitFor();
        const { method, parameters } = calls.at(-1);
        assert.equal(method, 'PredictionController.saveFeedback');
        assert.deepEqual([parameters.helpful, parameters.reason, parameters.task], [false, 'Outdated', 'churn']);
        await page.close();
    });
    it('opens history and facts without an accessibility violation', async () => {
        const page = await open('ready');
        await page.getByRole('button', { name: 'Score history' }).click();
        await page.getByRole('button', { name: 'Privacy and model facts' }).click();
        await page.getByText('Smaller epsilon means stronger privacy.').waitFor();
        assert.deepEqual(await violations(page), []);
        await page.close();
    });
    it('names the permission set to ask for where the permission is missing', async () => {
        const page = await open('ready', { query: '&deny=FedCRM_View_Scores' });
        assert.equal(await page.getByRole('img').count(), 0);
        assert.deepEqual(await violations(page), []);
        await page.close();
    });
});
