"""What every request to the sandbox meets first: the API version, then the token."""

from capi.sandbox.wire import Request, refuse
from capi.sandbox.world import Grant, World


def version_of(world: World, request: Request) -> str:
    """Return the LinkedIn-Version of a request; refuse one that is missing, unknown or past its last day."""
    version = request.headers.get("linkedin-version", "").strip()
    if not version:
        raise refuse(
            400,
            "A version must be present. Please specify a version by adding the LinkedIn-Version header.",
            {"X-Restli-Gateway-Error": "true"},
            code="VERSION_MISSING",
        )
    if not world.has_version(version):
        raise refuse(
            426,
            f"Requested version {version} is not active",
            {"X-Restli-Gateway-Error": "true"},
            code="NONEXISTENT_VERSION",
        )
    return version


def grant_of(world: World, request: Request) -> Grant:
    """Return what the bearer token may do; refuse one that is empty, unknown or revoked."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise refuse(401, "Empty oauth2 access token", serviceErrorCode=65604, code="EMPTY_ACCESS_TOKEN")
    grant = world.grants.get(token)
    if grant is None:
        raise refuse(401, "Invalid access token", serviceErrorCode=65600, code="INVALID_ACCESS_TOKEN")
    if grant.revoked:
        message = "The token used in the request has been revoked by the user"
        raise refuse(401, message, serviceErrorCode=65601, code="REVOKED_ACCESS_TOKEN")
    return grant
