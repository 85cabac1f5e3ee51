// Pictures of the component's states into docs/images: both themes, wide and 320 px.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { answering, states } from './states.mjs';
import { start } from './server.mjs';
import { launch } from './e2e/browser.mjs';

const target = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../docs/images');
const current = { state: 'ready' };
const { apex } = answering(current);

fs.mkdirSync(target, { recursive: true });
const server = await start(apex);
const browser = await launch();
try {
    for (const theme of ['slds1', 'slds2']) {
        for (const [size, width] of Object.entries({ wide: 640, narrow: 320 })) {
            for (const state of Object.keys(states)) {
                current.state = state;
                const page = await browser.newPage({ viewport: { width, height: 400 } });
                await page.goto(`${server.url}?recordId=001000000000001AAA&theme=${theme}`);
                await page.waitForTimeout(300);
                if (state === 'unreachable') {
                    await page.getByRole('button', { name: 'Refresh' }).click();
                    await page.getByRole('alert').waitFor();
                }
                if (state === 'ready') {
                    await page.getByRole('button', { name: 'Score history' }).click();
                    await page.getByRole('button', { name: 'Privacy and model facts' }).click();
                    await page.waitForTimeout(200);
                }
                await page.screenshot({ path: path.join(target, `${state}-${theme}-${size}.png`), fullPage: true });
                await page.close();
            }
        }
    }
} finally {
    await browser.close();
    server.close();
}
