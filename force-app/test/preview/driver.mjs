// The preview and a browser for a test in another language: one JSON object a line in, one out.
//   {"do": "open", "org": {...}, "recordId": "...", "theme": "slds1", "width": 520}  ->  {"value": ...} or {"error": "..."}
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { launch, violations } from './e2e/browser.mjs';
import { picture } from './pictures.mjs';
import { localOrg, start } from './server.mjs';

const WAIT_MS = 10000;
let page;
let server;
let org;

/** The preview follows whoever opened the page last: each call of the component is made with that user's session. */
const apex = async (method, parameters) => {
    await held;
    return localOrg(org)(method, parameters);
};
/** What calls wait for: nothing, or the action `release`. */
let held;
let release = () => {};

const actions = {
    /** A page of its own for a record, seen by one user; until the component says `sign`. */
    async open({ session, recordId, objectApiName = '', theme = 'slds1', width = 520, sign, query = '' }) {
        await page?.close();
        org = session;
        page = await browser.newPage({ viewport: { width, height: 900 } });
        page.setDefaultTimeout(WAIT_MS);
        page.problems = [];
        page.on('pageerror', (error) => page.problems.push(error.message));
        await page.goto(
            `${server.url}?recordId=${recordId}&objectApiName=${objectApiName}&theme=${theme}${query}`
        );
        await actions.see({ text: sign });
    },
    /** Waits until a text is on the page. */
    async see({ text }) {
        await page.getByText(new RegExp(text)).first().waitFor();
    },
    async click({ name, role = 'button' }) {
        await page.getByRole(role, { name }).first().click();
    },
    /** From now on the org does not answer the component, until `release`. */
    async hold() {
        held = new Promise((resolve) => {
            release = resolve;
        });
    },
    async release() {
        release();
    },
    async disabled({ name }) {
        return page.getByRole('button', { name }).first().isDisabled();
    },
    async label({ text }) {
        await page.getByText(text, { exact: true }).click();
    },
    /** Waits for an image whose description fits, and returns that. */
    async image({ name }) {
        const image = page.getByRole('img', { name: new RegExp(name) }).first();
        await image.waitFor();
        return image.getAttribute('aria-label');
    },
    async images() {
        return page.getByRole('img').count();
    },
    /** Text of one part of the component, by its data-id; null where it is not there. */
    async part({ id }) {
        const found = page.locator(`[data-id="${id}"]`);
        return (await found.count()) ? (await found.first().innerText()).trim() : null;
    },
    async alert() {
        const alert = page.getByRole('alert').first();
        await alert.waitFor();
        return (await alert.innerText()).trim();
    },
    async text() {
        return page.locator('#host').innerText();
    },
    /** Rows of the table on the page, each a list of cells. */
    async table() {
        await page.getByRole('row').first().waitFor();
        const rows = await page.getByRole('row').all();
        return Promise.all(
            rows.map(async (row) => (await row.locator('th,td').allInnerTexts()).map((cell) => cell.trim()))
        );
    },
    async violations() {
        return violations(page);
    },
    /** How many pixels stick out to the right. */
    async overflow() {
        return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    },
    async problems() {
        return page.problems;
    },
    /** Milliseconds from the request for the page to the first paint of anything on it. */
    async firstPaint() {
        return page.evaluate(
            () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.POSITIVE_INFINITY
        );
    },
    async picture({ file }) {
        await page.setViewportSize({ ...page.viewportSize(), height: 100 });
        fs.mkdirSync(path.dirname(file), { recursive: true });
        fs.writeFileSync(file, await picture(page));
    }
};

server = await start(apex);
const browser = await launch();
for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    let answer;
    try {
        answer = { value: (await actions[asked.do](asked)) ?? null };
    } catch (error) {
        const shown = await page?.locator('#host').innerText().catch(() => '');
        answer = { error: `${error?.message ?? error}\nThe page said: ${shown}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
server.close();
