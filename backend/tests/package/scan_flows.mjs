// Runs lightning-flow-scanner over flow files and prints the findings as JSON, one list.
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const scanner = require('@flow-scanner/lightning-flow-scanner-core');

const parsed = await scanner.parse(process.argv.slice(2));
const findings = [];
for (const result of scanner.scan(parsed, {})) {
    for (const rule of result.ruleResults ?? []) {
        if (!rule.occurs) continue;
        for (const detail of rule.details?.length ? rule.details : [{}]) {
            findings.push({ flow: result.flow.name, rule: rule.ruleName, severity: rule.severity, element: detail.name });
        }
    }
}
process.stdout.write(JSON.stringify(findings, null, 1) + '\n');
