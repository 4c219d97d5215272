"""An nginx of the tests' own: Debian's, with one worker, in a folder of its own."""

import os


def command(folder, port, server, http=""):
    """Writes what `port` is to serve (lines of a server block, and of the http block around it);
    returns the command that starts it."""
    config, log = (os.path.join(folder, f"nginx-{port}.{kind}") for kind in ("conf", "log"))
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"""daemon off; worker_processes 1; pid {folder}/nginx-{port}.pid;
error_log {log} crit;
events {{ }}
http {{ access_log off; {temporary}
{http}
server {{ listen 127.0.0.1:{port};
{server} }} }}
""")
    return ["nginx", "-c", config, "-e", log]
