# ruleid: markup-of-foreign-text
shown = Markup(merchant.name)
# ok: markup-of-foreign-text
shown = Markup(render_text(request, "a.html", {}))
# ok: markup-of-foreign-text
shown = Markup(qr_svg(url, title="Code"))
# ok: markup-of-foreign-text
shown = Markup(secret_qr_svg(url, title="Code"))
