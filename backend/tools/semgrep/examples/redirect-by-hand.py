# ruleid: redirect-by-hand
RedirectResponse(request.query_params["next"], status_code=303)
# ok: redirect-by-hand
redirect(request, target)
# ok: redirect-by-hand
RedirectResponse("/sign-in", status_code=303)
