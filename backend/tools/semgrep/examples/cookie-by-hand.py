# ruleid: cookie-by-hand
response.set_cookie("session", token)
# ok: cookie-by-hand
set_cookie(request, response, "session", token)
