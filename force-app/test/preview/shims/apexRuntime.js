// Calls Apex as the platform's own runtime does: imperatively, or by wire once every reactive value is there.

const wires = new Set();

async function call(method, parameters) {
    const response = await fetch(`/apex/${method}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(parameters ?? {})
    });
    const body = await response.json().catch(() => null);
    if (!response.ok) {
        throw { body: { message: body?.message ?? response.statusText }, status: response.status };
    }
    return body;
}

/** One Apex method, callable and wirable under the same name. */
export function apex(method) {
    const invoke = (parameters) => call(method, parameters);
    invoke.adapter = class {
        constructor(receive) {
            this.receive = receive;
            receive({ data: undefined, error: undefined });
        }
        connect() {
            wires.add(this);
        }
        disconnect() {
            wires.delete(this);
        }
        update(config) {
            this.config = config;
            return this.read();
        }
        async read() {
            if (Object.values(this.config).some((value) => value === undefined)) {
                return;
            }
            try {
                this.receive({ data: await call(method, this.config), error: undefined });
            } catch (error) {
                this.receive({ data: undefined, error });
            }
        }
    };
    return invoke;
}

/** Reads every wired method again. */
export async function refreshApex() {
    await Promise.all([...wires].map((wire) => wire.read()));
}
