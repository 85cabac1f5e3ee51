/** The record page around the component reads its record again. Here there is none. */
export async function notifyRecordUpdateAvailable(records) {
    window.dispatchEvent(new CustomEvent('preview-record-updated', { detail: records }));
}
