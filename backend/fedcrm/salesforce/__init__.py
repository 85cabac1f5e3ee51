"""One Salesforce org, from the outside."""
