"""How sessions are spread over playouts and users. It imports no models, so also other trees can use it."""

PLAYOUTS = 1000
USERS_PER_SESSION = 0.1
PROVIDERS = ("netflix", "disney", "zdf", "arte", "ard", "sky", "dazn", "mubi")
