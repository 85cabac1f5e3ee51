"""Which elements a metadata file may have, for the types whose files people write by hand.

From the Metadata API's WSDL at version 67. An element outside its list is refused with the platform's words
and its place, so that a misspelt one is found here and not in production.
"""

from __future__ import annotations

from collections.abc import Mapping

from localorg.metadata.change import Refused
from localorg.metadata.xmltree import METADATA_NAMESPACE, Node

__all__ = ["ALLOWED", "check_elements", "check_root"]

_FIELD = """fullName businessOwner businessStatus caseSensitive complianceGroup customDataType defaultValue
deleteConstraint deprecated description displayFormat displayLocationInDecimal encryptionScheme escapeMarkup
externalDeveloperName externalId fieldManageability formula formulaTreatBlanksAs inlineHelpText isAIPredictionField
isConvertLeadDisabled isFilteringDisabled isNameField isSortingDisabled label length lookupFilter maskChar maskType
metadataRelationshipControllingField mktDataLakeFieldAttributes mktDataModelFieldAttributes picklist
populateExistingRows precision referenceTargetField referenceTo relationshipLabel relationshipName relationshipOrder
reparentableMasterDetail required restrictedAdminField scale securityClassification startingNumber
stripMarkup summarizedField summaryFilterItems summaryForeignKey summaryOperation trackFeedHistory trackHistory
trackTrending translateData type unique valueSet visibleLines writeRequiresMasterRead"""

_OBJECT = """fullName actionOverrides allowInChatterGroups articleTypeChannelDisplay businessProcesses compactLayouts
compactLayoutAssignment customHelp customHelpPage customSettingsType customSettingsVisibility dataStewardGroup
dataStewardUser deploymentStatus deprecated description enableActivities enableBulkApi enableDataTranslation
enableDivisions enableEnhancedLookup enableFeeds enableHistory enableLicensing enableLookup enableReports enableSearch
enableSharing enableStreamingApi eventType externalDataSource externalName externalRepository externalSharingModel
fieldSets fields gender household historyRetentionPolicy indexes label listViews mktDataLakeAttributes
mktDataModelAttributes nameField pluralLabel profileSearchLayouts publishBehavior recordTypeTrackFeedHistory
recordTypeTrackHistory recordTypes searchLayouts sharingModel sharingReasons sharingRecalculations startsWith
validationRules visibility webLinks"""

_PERMISSION_SET = """fullName agentAccesses applicationVisibilities classAccesses customMetadataTypeAccesses
customPermissions customSettingAccesses description emailRoutingAddressAccesses externalCredentialPrincipalAccesses
externalDataSourceAccesses fieldPermissions flowAccesses hasActivationRequired label license objectPermissions
pageAccesses recordTypeVisibilities servicePresenceStatusAccesses tabSettings userLicense userPermissions
userAccessPolicyAccesses dataspaceScopes"""

ALLOWED: Mapping[str, frozenset[str]] = {
    name: frozenset(words.split())
    for name, words in {
        "CustomField": _FIELD,
        "CustomObject": _OBJECT,
        "PermissionSet": _PERMISSION_SET,
        "Profile": _PERMISSION_SET.replace("label", "")
        + " custom layoutAssignments loginFlows loginHours loginIpRanges categoryGroupVisibilities "
        "profileActionOverrides tabVisibilities packageVersions",
        "objectPermissions": "allowCreate allowDelete allowEdit allowRead modifyAllRecords object viewAllFields "
        "viewAllRecords",
        "fieldPermissions": "editable field hidden readable",
        "RecordType": "fullName active businessProcess compactLayoutAssignment description label picklistValues",
        "ValidationRule": "fullName active description errorConditionFormula errorDisplayField errorMessage",
        "ListView": "fullName booleanFilter columns division filterScope filters label language queue sharedTo "
        "scopeEntity",
        "CustomMetadata": "fullName description label protected values",
        "CustomLabel": "fullName categories language protected shortDescription value",
        "CustomPermission": "fullName connectedApp description isLicensed label requiredPermission",
        "ApexClass": "fullName apiVersion content packageVersions status",
        "RemoteSiteSetting": "fullName description disableProtocolSecurity isActive url",
        "CustomTab": "fullName actionOverrides auraComponent customObject description flexiPage frameHeight "
        "hasSidebar icon label lwcComponent mobileReady motif page scontrol splashPageLink url urlEncodingKey",
        "NamedCredential": "fullName allowMergeFieldsInBody allowMergeFieldsInHeader authProvider authTokenEndpointUrl "
        "awsAccessKey awsAccessSecret awsRegion awsService calloutStatus certificate customHeaders endpoint "
        "generateAuthorizationHeader jwtAudience jwtFormulaSubject jwtIssuer jwtSigningCertificate jwtTextSubject "
        "jwtValidityPeriodSeconds label namedCredentialParameters namedCredentialType oauthRefreshToken oauthScope "
        "oauthToken outboundNetworkConnection password principalType protocol username",
        "ExternalCredential": "fullName authenticationProtocol customAuthenticationProtocol description "
        "externalCredentialParameters label principals",
        "GlobalValueSet": "fullName customValue description masterLabel sorted",
        "StandardValueSet": "fullName groupingStringEnum sorted standardValue",
        "StaticResource": "fullName cacheControl content contentType description",
        "InstalledPackage": "fullName activateRSS password securityType versionNumber",
        "LightningComponentBundle": "fullName apiVersion capabilities description isExplicitImport isExposed "
        "lwcResources masterLabel runtimeNamespace source targetConfigs targets",
        "ExternalClientApplication": "fullName contactEmail contactPhone description distributionState iconUrl infoUrl "
        "isProtected label logoUrl orgScopedExternalApp",
        "ExtlClntAppOauthSettings": "fullName areCustomScopesEnabled commaSeparatedOauthScopes "
        "customScopes externalClientApplication isFirstPartyAppEnabled label oauthLink singleLogoutUrl",
        "ExtlClntAppGlobalOauthSettings": "fullName assetTokenAudience assetTokenCertificateName "
        "assetTokenIsUsedInExternalApp callbackUrl certificate consumerKey consumerSecret externalClientApplication "
        "idTokenAudience idTokenIncludeAttributes idTokenIncludeCustomPerms idTokenIncludeStandardClaims "
        "idTokenValidityInMinutes isClientCredentialsFlowEnabled isCodeCredentialFlowEnabled "
        "isCodeCredentialPostOnly isConsumerSecretOptional isDeviceFlowEnabled isIntrospectAllTokens "
        "isNamedUserJwtEnabled isPkceRequired isRefreshTokenRotationEnabled isSecretRequiredForRefreshToken "
        "isSecretRequiredForTokenExchange isTokenExchangeEnabled label rotateConsumerKey rotateConsumerSecret "
        "shouldRotateConsumerKey shouldRotateConsumerSecret isNamedUserJwtValidityInMinutes",
        "ReportType": "fullName autogenerated baseObject category deployed description enableCRTAutoAdd join label "
        "sections",
    }.items()
}


def check_root(root: Node, expected: str) -> None:
    """The file's root must be `expected` in the metadata namespace; raises Refused."""
    if root.namespace and root.namespace != METADATA_NAMESPACE:
        raise Refused(f"Element {root.tag} invalid at this location: namespace {root.namespace}", root)
    if root.tag != expected:
        raise Refused(f"Invalid root element: {root.tag}. Expected: {expected}", root)
    check_elements(root, expected)


def check_elements(node: Node, type_name: str) -> None:
    """Every child must be one the type has; raises Refused with the child's place."""
    allowed = ALLOWED.get(type_name)
    if allowed is None:
        return
    for child in node:
        if child.tag not in allowed and not child.tag.startswith("@"):
            raise Refused(
                f"Element {{{METADATA_NAMESPACE}}}{child.tag} invalid at this location in type {type_name}", child
            )
