"""The factory: binds extensions, blueprints, admin and the command line."""

from __future__ import annotations

from flask import Flask

from app import config
from app.admin import register as register_admin
from app.api import register as register_api
from app.channels import configure as configure_channels
from app.channels.policy import AddressPolicy, own_endpoints
from app.cli import register as register_cli
from app.extensions import db
from app.pages import access, assets, errors, headers
from app.pages.rules import LazyRule
from app.queueing import Alarm
from app.secrets import Vault
from app.services.installation import Installation
from app.storage import Store, engine_options
from app.web import register as register_web


def create_app(settings: config.Settings | None = None) -> Flask:
    """Return the application of one installation; raises SettingError.

    Nothing is connected yet, so that the result can be forked.
    """
    app = create_core(settings)
    add_interfaces(app)
    return app


def create_core(settings: config.Settings | None = None) -> Flask:
    """Return an application that has its installation, and answers nothing yet."""
    settings = settings or config.load()
    app = Flask("app", static_folder=None)  # what pages load: app.pages.assets
    app.url_rule_class = LazyRule
    app.config.update(
        SECRET_KEY=settings.secret_key.reveal(),
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings),
    )
    db.init_app(app)
    configure_channels(
        AddressPolicy(settings.outbound_allow, own_endpoints(settings.host, settings.port))
    )
    with app.app_context():
        store = Store(db.engine, settings)
    app.extensions["tocsin"] = Installation(
        settings, store, Vault(settings.encryption_keys), Alarm(settings)
    )
    return app


def add_interfaces(app: Flask) -> None:
    """Let the application answer: pages, API, command line; once, before its first request."""
    assets.bind(app)
    access.bind(app)
    headers.bind(app)
    register_api(app)
    register_web(app)
    register_admin(app)
    errors.bind(app)
    register_cli(app)
