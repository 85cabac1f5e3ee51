// The states of the score component as answers of its Apex controller, for tests and pictures.
import fs from 'node:fs';

const explanation = JSON.parse(fs.readFileSync(new URL('../fixtures/explanation.json', import.meta.url), 'utf8'));
const ok = (body) => ({ status: 200, body: JSON.stringify(body) });
const failed = (message) => ({ status: 500, body: JSON.stringify({ message }) });
const UNREACHABLE = failed('The scoring service did not answer within 10 seconds.');

/** By name: what each method answers. */
export const states = {
    ready: {
        getExplanation: ok(explanation),
        requestScore: ok(explanation),
        saveFeedback: ok(null)
    },
    winning: {
        getExplanation: ok({
            ...explanation,
            task: 'opportunity_win',
            taskLabel: 'Win probability',
            polarity: 'HIGH_IS_GOOD'
        })
    },
    empty: { getExplanation: ok({ status: 'NO_SCORE', taskLabel: 'Churn risk' }), requestScore: ok(explanation) },
    stale: { getExplanation: ok({ ...explanation, status: 'STALE', ageDays: 12, changedFields: 3 }) },
    hint: {
        getExplanation: ok({
            ...explanation,
            status: 'LOW_CONFIDENCE',
            confidence: 0.32,
            confidenceBand: 'LOW',
            intervalLow: 38.2,
            intervalHigh: 91.4,
            confidenceReasons: ['few_similar_records', 'missing_features']
        })
    },
    withheld: { getExplanation: ok({ ...explanation, status: 'WITHHELD', modelVersion: '4f1c0a9be2d1' }) },
    unreachable: { getExplanation: ok(explanation), requestScore: UNREACHABLE, saveFeedback: UNREACHABLE },
    failed: { getExplanation: failed('You do not have access to this record.') },
    loading: { getExplanation: null }
};

/** Answers the component's calls as one state does; `current.state` may be changed while it runs. */
export function answering(current) {
    const calls = [];
    const apex = async (method, parameters) => {
        const name = method.split('.')[1];
        calls.push({ method, parameters });
        const answer = states[current.state][name];
        return answer ?? new Promise(() => {});
    };
    return { apex, calls };
}
