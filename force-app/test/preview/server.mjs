// Serves the bundled component and answers its Apex calls: from a local org, or from a table of fixtures in tests.
// Loopback only.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, '../../..');
const designSystem = path.join(root, 'node_modules/@salesforce-ux');
const THEMES = {
    slds1: '/slds1/assets/styles/salesforce-lightning-design-system.min.css',
    slds2: '/slds2/dist/css/bundled/slds2.cosmos.css'
};
const ROOTS = {
    slds1: path.join(designSystem, 'design-system'),
    slds2: path.join(designSystem, 'design-system-2'),
    assets: path.join(designSystem, 'design-system/assets')
};
const TYPES = {
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.map': 'application/json',
    '.svg': 'image/svg+xml',
    '.woff2': 'font/woff2'
};

/** Apex answered by a local org: POST /_local/aura/CLASS/METHOD as the session's user. */
export function localOrg({ instanceUrl, accessToken, caFile }) {
    const ca = fs.readFileSync(caFile);
    return (method, parameters) =>
        new Promise((resolve, reject) => {
            const request = https.request(
                new URL(`/_local/aura/${method.replace('.', '/')}`, instanceUrl),
                {
                    ca,
                    method: 'POST',
                    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' }
                },
                (response) => {
                    const chunks = [];
                    response.on('data', (chunk) => chunks.push(chunk));
                    response.on('end', () =>
                        resolve({ status: response.statusCode, body: asLightning(Buffer.concat(chunks)) })
                    );
                }
            );
            request.on('error', reject);
            request.end(JSON.stringify(parameters));
        });
}

/** A refusal over REST is a list of one; a component gets that one. */
function asLightning(bytes) {
    const answer = JSON.parse(bytes.toString('utf8') || 'null');
    return JSON.stringify(Array.isArray(answer) && answer[0]?.errorCode ? answer[0] : answer);
}

/**
 * Starts the preview on a free port, or on the one given.
 * @param {function(string, object): Promise<{status: number, body: string}>} apex answers Class.method
 * @returns {Promise<{url: string, close: function(): void}>}
 */
export function start(apex, port = 0) {
    const server = http.createServer(async (request, response) => {
        const url = new URL(request.url, 'http://localhost');
        const send = (status, type, body) => {
            response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' });
            response.end(body);
        };
        try {
            if (request.method === 'POST' && url.pathname.startsWith('/apex/')) {
                const chunks = [];
                for await (const chunk of request) {
                    chunks.push(chunk);
                }
                const answer = await apex(url.pathname.slice('/apex/'.length), JSON.parse(Buffer.concat(chunks)));
                send(answer.status, 'application/json', answer.body);
            } else if (url.pathname === '/') {
                const page = fs.readFileSync(path.join(here, 'index.html'), 'utf8');
                send(
                    200,
                    'text/html',
                    page.replace('{{THEME}}', THEMES[url.searchParams.get('theme')] ?? THEMES.slds1)
                );
            } else {
                const file = fileOf(url.pathname);
                if (file) {
                    send(200, TYPES[path.extname(file)] ?? 'application/octet-stream', fs.readFileSync(file));
                } else {
                    send(404, 'application/json', JSON.stringify({ message: `nothing at ${url.pathname}` }));
                }
            }
        } catch (error) {
            send(502, 'application/json', JSON.stringify({ message: `The org did not answer: ${error.message}` }));
        }
    });
    return new Promise((resolve, reject) => {
        server.on('error', reject);
        server.listen(port, '127.0.0.1', () =>
            resolve({ url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() })
        );
    });
}

/** The file behind a path, or null where there is none or it lies outside what may be served. */
function fileOf(pathname) {
    const [, first, ...rest] = decodeURIComponent(pathname).split('/');
    const base = ROOTS[first] ?? process.env.FEDCRM_PREVIEW ?? path.join(root, 'build/preview');
    const file = path.join(base, ...(ROOTS[first] ? rest : [first, ...rest]));
    const inside = file.startsWith(base + path.sep);
    return inside && fs.existsSync(file) && fs.statSync(file).isFile() ? file : null;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [orgFile, port] = process.argv.slice(2);
    if (!orgFile) {
        console.error('usage: server.mjs ORG.json [PORT]   ORG.json: {"instance_url", "access_token", "ca_file"}');
        process.exit(2);
    }
    const org = JSON.parse(fs.readFileSync(orgFile, 'utf8'));
    const apex = localOrg({ instanceUrl: org.instance_url, accessToken: org.access_token, caFile: org.ca_file });
    const { url } = await start(apex, Number(port ?? 4173));
    console.log(`${url}?recordId=RECORD_ID`);
}
