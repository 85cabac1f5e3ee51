"""A Salesforce org on this machine, for the tools Salesforce developers already have.

It speaks the platform's wire protocol to the letter and says on every answer that it is not the
platform (`X-Local-Org: 1`). It knows nothing of who uses it.
"""
