# ruleid: code-from-text
eval(text)
# ruleid: code-from-text
subprocess.run(line, shell=True)
# ruleid: code-from-text
environment.from_string(merchant.text)
# ok: code-from-text
subprocess.run([program, argument], check=True)
