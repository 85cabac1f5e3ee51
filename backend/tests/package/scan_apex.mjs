// Runs PMD, or with --graph the Salesforce Graph Engine, over a folder and prints the findings as JSON, one list.
// The plugin of the Salesforce CLI does the same with 300 MB more.
import { createRequire } from 'node:module';
import path from 'node:path';

const args = process.argv.slice(2);
const graph = args.includes('--graph');
const folder = path.resolve(args.find((argument) => !argument.startsWith('--')));
const require = createRequire(path.join(process.cwd(), 'package.json'));
const core = require('@salesforce/code-analyzer-core');
const engine = require(graph ? '@salesforce/code-analyzer-sfge-engine' : '@salesforce/code-analyzer-pmd-engine');

const analyzer = new core.CodeAnalyzer(core.CodeAnalyzerConfig.fromObject({}));
await analyzer.addEnginePlugin(engine.createEnginePlugin());
const workspace = await analyzer.createWorkspace([folder]);
// The selectors of the review match none of the Graph Engine's rules: it calls them previews.
const selectors = graph ? ['sfge:Security', 'sfge:Performance'] : ['AppExchange', 'Recommended:Security'];
const rules = await analyzer.selectRules(selectors, { workspace });
const results = await analyzer.run(rules, { workspace });
const findings = results.getViolations().map((violation) => {
    const place = violation.getPrimaryLocation();
    return {
        rule: violation.getRule().getName(),
        severity: violation.getRule().getSeverityLevel(),
        file: place.getFile() && path.relative(folder, place.getFile()),
        line: place.getStartLine() ?? null,
        message: violation.getMessage()
    };
});
// An engine that broke off looks like a finding; it must not look like few findings.
if (findings.some((finding) => finding.rule === 'UnexpectedEngineError')) process.exitCode = 1;
process.stdout.write(JSON.stringify({ rules: rules.getCount(), findings }, null, 1) + '\n');
