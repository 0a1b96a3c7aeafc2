# A job at a terminal: in a group of its own in the foreground, with settings of its own, waiting for a line.
import json, os, signal, sys, termios

def written(name, text):
    with open(name + ".part", "w") as file:
        file.write(text)
    os.rename(name + ".part", name)

# What whoever runs the tests has left open.
os.closerange(3, 1024)
leads = os.getsid(0) == os.getpid()
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
if not leads:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
signal.signal(signal.SIGTTOU, signal.SIG_DFL)
sizes = []
signal.signal(signal.SIGWINCH, lambda *_: sizes.append(os.get_terminal_size(0)))
settings = termios.tcgetattr(0)
settings[3] &= ~termios.ECHO
settings[6][termios.VINTR] = b"\x07"
termios.tcsetattr(0, termios.TCSANOW, settings)
tty = os.open("/dev/tty", os.O_RDWR)
written("pid", str(os.getpid()))
line = sys.stdin.readline()
now = termios.tcgetattr(0)
os.write(os.open("/dev/tty", os.O_RDWR), b"by its name\n")
os.write(tty, b"by the old descriptor\n")
written("result", json.dumps({
    "line": line,
    "settings": now[3] == settings[3] and now[6] == settings[6],
    "foreground": os.tcgetpgrp(tty) == os.getpgrp(),
    "size": list(os.get_terminal_size(0)),
    "told": len(sizes) > 0,
}))
