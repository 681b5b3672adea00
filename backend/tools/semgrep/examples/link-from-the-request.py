# ruleid: link-from-the-request
url = f"{request.base_url}card/1"
# ok: link-from-the-request
url = f"{settings.public_url}/card/1"
