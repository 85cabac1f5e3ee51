"""Metadata: packages read, checked, deployed into an org's schema and rows, and given back."""

from localorg.metadata.compilers import CodeProblem, Compilers
from localorg.metadata.deploy import deploy, deploy_into, deploy_package, publish
from localorg.metadata.package import BadPackage, read_folder, read_zip
from localorg.metadata.results import ComponentResult, DeployOptions, DeployResult
from localorg.metadata.retrieve import Retrieved, listed, retrieve
from localorg.metadata.source_format import read_source, zip_source

__all__ = [
    "BadPackage",
    "CodeProblem",
    "Compilers",
    "ComponentResult",
    "DeployOptions",
    "DeployResult",
    "Retrieved",
    "deploy",
    "deploy_into",
    "deploy_package",
    "listed",
    "publish",
    "read_folder",
    "read_source",
    "read_zip",
    "retrieve",
    "zip_source",
]
