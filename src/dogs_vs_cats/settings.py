"""Kedro's settings of this project."""

from omegaconf.resolvers import oc

from dogs_vs_cats.dvc_sync.hooks import ReproductionHooks
from dogs_vs_cats.hooks import ProjectHooks
from dogs_vs_cats.project import MERGE_STRATEGY
from dogs_vs_cats.provenance.hooks import ProvenanceHooks
from dogs_vs_cats.session.catalog import ProjectCatalog
from dogs_vs_cats.session.config_loader import ConfigLoader
from dogs_vs_cats.session.run_lock import SessionStore
from dogs_vs_cats.session.selection import ProjectSession
from dogs_vs_cats.tracking.hooks import TrackingHooks

# The last registered is called first: tracking sees a run that has already been checked, and its manifest.
HOOKS = (TrackingHooks(), ProvenanceHooks(), ReproductionHooks(), ProjectHooks())

DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

DATA_CATALOG_CLASS = ProjectCatalog
SESSION_CLASS = ProjectSession
SESSION_STORE_CLASS = SessionStore
CONFIG_LOADER_CLASS = ConfigLoader

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": MERGE_STRATEGY,
    # Kedro allows it in credentials alone.
    "custom_resolvers": {"oc.env": oc.env},
}
