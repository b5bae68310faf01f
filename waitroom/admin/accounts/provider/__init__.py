"""Sign-in of operators at an identity provider by OpenID Connect, with an authorization code.

An account has to exist: the provider opens accounts and makes none. The first sign-in links the
account whose name is the address that the provider has verified. From then on the provider's own
name for the person decides (`sub`), so an address that passes to another person opens nothing.

The code is bound to the browser that asked: by `state`, by a secret of its own (PKCE), and by
`nonce` in the token, all three from one cookie that is sealed and lives ten minutes.
"""
