import { LightningElement, api, wire } from 'lwc';
import { notifyRecordUpdateAvailable } from 'lightning/uiRecordApi';
import { refreshApex } from '@salesforce/apex';
import canView from '@salesforce/customPermission/FedCRM_View_Scores';
import getExplanation from '@salesforce/apex/PredictionController.getExplanation';
import requestScore from '@salesforce/apex/PredictionController.requestScore';
import saveFeedback from '@salesforce/apex/PredictionController.saveFeedback';
import { asWritten, fill, messageOf, plain } from 'c/fedcrmText';
import title from '@salesforce/label/c.FedCRM_Ui_Title';
import loading from '@salesforce/label/c.FedCRM_Ui_Loading';
import noPermission from '@salesforce/label/c.FedCRM_Ui_NoPermission';
import noScoreTitle from '@salesforce/label/c.FedCRM_Ui_NoScoreTitle';
import noScoreBody from '@salesforce/label/c.FedCRM_Ui_NoScoreBody';
import scoreNow from '@salesforce/label/c.FedCRM_Ui_ScoreNow';
import scoring from '@salesforce/label/c.FedCRM_Ui_Scoring';
import scored from '@salesforce/label/c.FedCRM_Ui_Scored';
import refresh from '@salesforce/label/c.FedCRM_Ui_Refresh';
import retry from '@salesforce/label/c.FedCRM_Ui_Retry';
import errorTitle from '@salesforce/label/c.FedCRM_Ui_ErrorTitle';
import errorKept from '@salesforce/label/c.FedCRM_Ui_ErrorKept';
import staleAge from '@salesforce/label/c.FedCRM_Ui_StaleAge';
import staleNotRenewed from '@salesforce/label/c.FedCRM_Ui_StaleNotRenewed';
import staleChanged from '@salesforce/label/c.FedCRM_Ui_StaleChanged';
import withheld from '@salesforce/label/c.FedCRM_Ui_Withheld';
import hint from '@salesforce/label/c.FedCRM_Ui_Hint';
import scoreOf from '@salesforce/label/c.FedCRM_Ui_ScoreOf';
import likelyRange from '@salesforce/label/c.FedCRM_Ui_LikelyRange';
import averageIs from '@salesforce/label/c.FedCRM_Ui_AverageIs';
import bandLow from '@salesforce/label/c.FedCRM_Ui_BandLow';
import bandMedium from '@salesforce/label/c.FedCRM_Ui_BandMedium';
import bandHigh from '@salesforce/label/c.FedCRM_Ui_BandHigh';
import confidence from '@salesforce/label/c.FedCRM_Ui_Confidence';
import confidenceHigh from '@salesforce/label/c.FedCRM_Ui_ConfidenceHigh';
import confidenceMedium from '@salesforce/label/c.FedCRM_Ui_ConfidenceMedium';
import confidenceLow from '@salesforce/label/c.FedCRM_Ui_ConfidenceLow';
import reasonFewSimilar from '@salesforce/label/c.FedCRM_Ui_ReasonFewSimilar';
import reasonOutOfRange from '@salesforce/label/c.FedCRM_Ui_ReasonOutOfRange';
import reasonMissing from '@salesforce/label/c.FedCRM_Ui_ReasonMissing';
import reasonWideInterval from '@salesforce/label/c.FedCRM_Ui_ReasonWideInterval';
import why from '@salesforce/label/c.FedCRM_Ui_Why';
import showTable from '@salesforce/label/c.FedCRM_Ui_ShowTable';
import showChart from '@salesforce/label/c.FedCRM_Ui_ShowChart';
import change from '@salesforce/label/c.FedCRM_Ui_WhatWouldChange';
import changeCaption from '@salesforce/label/c.FedCRM_Ui_ChangeCaption';
import changeAtMost from '@salesforce/label/c.FedCRM_Ui_ChangeAtMost';
import changeAtLeast from '@salesforce/label/c.FedCRM_Ui_ChangeAtLeast';
import changeFromTo from '@salesforce/label/c.FedCRM_Ui_ChangeFromTo';
import history from '@salesforce/label/c.FedCRM_Ui_History';
import historyTable from '@salesforce/label/c.FedCRM_Ui_HistoryTable';
import recommended from '@salesforce/label/c.FedCRM_Ui_Recommended';
import facts from '@salesforce/label/c.FedCRM_Ui_Facts';

const BANDS = { LOW: bandLow, MEDIUM: bandMedium, HIGH: bandHigh };
const REASONS = {
    few_similar_records: reasonFewSimilar,
    out_of_range: reasonOutOfRange,
    missing_features: reasonMissing,
    wide_interval: reasonWideInterval
};
const CONFIDENCE = { HIGH: confidenceHigh, MEDIUM: confidenceMedium, LOW: confidenceLow };
const COMPARED = { at_most: changeAtMost, at_least: changeAtLeast };
/** Every figure of a score has one decimal, so that what is shown adds up. */
const DECIMALS = 1;
/** The page builder cannot leave a choice empty; Apex takes an empty task for: whichever is about this object. */
const ANY_TASK = 'auto';

/**
 * A record's score, how sure it is, why, what would change it, and what privacy stands behind it.
 * The one part that fetches: it reads stored scores, asks for a new one only when told to, and gives its children values.
 */
export default class FedcrmScoreExplainer extends LightningElement {
    @api recordId;
    @api objectApiName;
    /** Developer name of the task; auto follows the kind of record. */
    @api task = 'auto';
    /** How many factors are shown by name. */
    @api maxFactors = 6;

    labels = {
        loading,
        noPermission,
        noScoreTitle,
        noScoreBody,
        scoreNow,
        refresh,
        retry,
        errorTitle,
        confidence,
        why,
        change,
        changeCaption,
        history,
        facts,
        recommended
    };
    decimals = DECIMALS;
    explanation;
    loadError;
    scoreError = '';
    feedbackError = '';
    announcement = '';
    busy = false;
    factorsAsTable = false;
    trendAsTable = false;
    feedbackBusy = false;
    feedbackStored = false;
    wired;

    @wire(getExplanation, { recordId: '$recordId', task: '$taskName' })
    receive(result) {
        this.wired = result;
        if (result.data) {
            this.show(result.data);
            this.loadError = undefined;
        } else if (result.error) {
            this.loadError = result.error;
        }
    }

    // --- which state is shown ----------------------------------------------------------------------

    get isDenied() {
        return !canView || this.explanation?.status === 'NO_PERMISSION';
    }
    get isLoading() {
        return !this.isDenied && !this.explanation && !this.loadError;
    }
    get isFailed() {
        return !this.isDenied && !this.explanation && Boolean(this.loadError);
    }
    get hasNoScore() {
        return !this.isDenied && this.explanation?.status === 'NO_SCORE';
    }
    get isReady() {
        return !this.isDenied && Boolean(this.explanation) && !this.hasNoScore;
    }
    get isWithheld() {
        return this.isReady && this.explanation.status === 'WITHHELD';
    }
    get isStale() {
        return this.isReady && this.explanation.status === 'STALE';
    }
    get isHint() {
        return this.isReady && this.explanation.confidenceBand === 'LOW';
    }

    // --- what it says ------------------------------------------------------------------------------

    get taskName() {
        return this.task === ANY_TASK ? '' : this.task;
    }
    get cardTitle() {
        return this.explanation?.taskLabel ?? title;
    }
    get loadMessage() {
        return messageOf(this.loadError);
    }
    get problem() {
        return this.scoreError && this.isReady ? fill(errorKept, this.scoreError) : this.scoreError;
    }
    get staleText() {
        const { ageDays, changedFields } = this.explanation;
        return (
            [ageDays ? fill(staleAge, ageDays) : '', changedFields ? fill(staleChanged, changedFields) : '']
                .filter(Boolean)
                .join(' ') || staleNotRenewed
        );
    }
    get withheldText() {
        return fill(withheld, this.explanation.modelVersion);
    }
    get hintText() {
        return hint;
    }
    /** A result is seen anyway and only spoken; that something is under way has to be seen as well. */
    get announcementClass() {
        return this.busy ? 'waiting' : 'slds-assistive-text';
    }
    get scoreText() {
        return plain(this.explanation.score, DECIMALS);
    }
    get bandText() {
        return BANDS[this.explanation.band] ?? '';
    }
    get tone() {
        const good = this.explanation.polarity === 'HIGH_IS_GOOD';
        return { LOW: good ? 'bad' : 'good', MEDIUM: 'middling', HIGH: good ? 'good' : 'bad' }[this.explanation.band];
    }
    get bandClass() {
        return `slds-badge band band_${this.tone}`;
    }
    get answer() {
        return { UP: true, DOWN: false }[this.explanation.myFeedback];
    }
    get scoreAlt() {
        return [fill(scoreOf, this.cardTitle, this.scoreText, this.bandText), this.rangeText, this.averageText].join(
            '. '
        );
    }
    get rangeText() {
        const { intervalLow, intervalHigh } = this.explanation;
        return intervalLow === undefined || intervalLow === null
            ? ''
            : fill(likelyRange, plain(intervalLow, DECIMALS), plain(intervalHigh, DECIMALS));
    }
    get averageText() {
        return fill(averageIs, plain(this.explanation.baseline, DECIMALS));
    }
    get confidencePercent() {
        return Math.round(this.explanation.confidence * 100);
    }
    /** Green says all is well, which it is only where the confidence is high. */
    get ringVariant() {
        return { HIGH: 'base', MEDIUM: 'active-step' }[this.explanation.confidenceBand] ?? 'warning';
    }
    get confidenceText() {
        return CONFIDENCE[this.explanation.confidenceBand] ?? '';
    }
    get confidenceReasons() {
        return (this.explanation.confidenceReasons ?? [])
            .filter((reason) => REASONS[reason])
            .map((reason) => ({ key: reason, text: REASONS[reason] }));
    }
    get factorsToggle() {
        return this.factorsAsTable ? showChart : showTable;
    }
    get trendToggle() {
        return this.trendAsTable ? showChart : historyTable;
    }
    get hasTrend() {
        return Boolean(this.explanation.trend?.length);
    }
    get changes() {
        return (this.explanation.counterfactuals ?? []).map((one) => ({
            key: one.label,
            label: one.label,
            step: fill(
                changeFromTo,
                asWritten(one.fromValue ?? ''),
                fill(COMPARED[one.comparison] ?? '{0}', asWritten(one.toValue))
            ).trim(),
            result: fill(changeFromTo, this.scoreText, plain(one.newScore, DECIMALS))
        }));
    }
    get hasChanges() {
        return this.changes.length > 0;
    }

    // --- what it does ------------------------------------------------------------------------------

    show(explanation) {
        this.explanation = explanation;
        this.feedbackStored = false;
    }
    toggleFactors() {
        this.factorsAsTable = !this.factorsAsTable;
    }
    toggleTrend() {
        this.trendAsTable = !this.trendAsTable;
    }
    handleRetry() {
        this.loadError = undefined;
        return refreshApex(this.wired);
    }
    async handleScore() {
        this.busy = true;
        this.scoreError = '';
        this.announcement = scoring;
        try {
            this.show(await requestScore({ recordId: this.recordId, task: this.taskName }));
            this.announcement = fill(scored, this.scoreText);
            await notifyRecordUpdateAvailable([{ recordId: this.recordId }]);
        } catch (error) {
            this.scoreError = messageOf(error); // the last stored score stays where it is
            this.announcement = '';
        } finally {
            this.busy = false;
        }
    }
    async handleAnswer(event) {
        this.feedbackBusy = true;
        this.feedbackError = '';
        try {
            await saveFeedback({
                recordId: this.recordId,
                task: this.explanation.task,
                helpful: event.detail.helpful,
                reason: event.detail.reason
            });
            this.feedbackStored = true;
        } catch (error) {
            this.feedbackError = messageOf(error);
        } finally {
            this.feedbackBusy = false;
        }
    }
}
