# Threads that compute, and a database in the middle of a transaction: money moves between accounts, and none is made or lost.
import hashlib
import queue
import sqlite3
import threading

ACCOUNTS = 200
TRANSFERS = 60000

work, done = queue.Queue(100), queue.Queue(100)


def worker():
    while (number := work.get()) is not None:
        digest = hashlib.sha256(str(number).encode())
        for _ in range(40):
            digest = hashlib.sha256(digest.digest())
        done.put((number, int.from_bytes(digest.digest()[:8], "big")))
    done.put(None)


def feed():
    for number in range(TRANSFERS):
        work.put(number)
    for _ in threads:
        work.put(None)


threads = [threading.Thread(target=worker) for _ in range(3)]
for thread in threads:
    thread.start()
feeder = threading.Thread(target=feed)
feeder.start()

bank = sqlite3.connect("bank.db", isolation_level=None)
bank.execute("create table account (id integer primary key, money integer)")
bank.execute("create table history (number integer primary key, source integer, target integer, amount integer)")
bank.execute("begin exclusive")
bank.executemany("insert into account values (?, 1000)", [(i,) for i in range(ACCOUNTS)])
bank.execute("commit")
# Few pages are kept in memory, so that the journal and the file are used within the transaction.
bank.execute("pragma cache_size = 10")
bank.execute("begin immediate")
ended = count = 0
while ended < len(threads):
    item = done.get()
    if item is None:
        ended += 1
        continue
    number, chance = item
    source, target, amount = chance % ACCOUNTS, chance // 256 % ACCOUNTS, chance // 65536 % 50
    bank.execute("update account set money = money - ? where id = ?", (amount, source))
    bank.execute("update account set money = money + ? where id = ?", (amount, target))
    bank.execute("insert into history values (?, ?, ?, ?)", (number, source, target, amount))
    count += 1
    if count % 1000 == 0:
        with open("progress", "w") as file:
            print(count, file=file)
bank.execute("commit")
feeder.join()
for thread in threads:
    thread.join()
bank.close()

bank = sqlite3.connect("bank.db")
digest = hashlib.sha256()
for row in bank.execute("select * from account order by id"):
    digest.update(repr(row).encode())
for row in bank.execute("select * from history order by number"):
    digest.update(repr(row).encode())
total = bank.execute("select sum(money) from account").fetchone()[0]
whole = bank.execute("pragma integrity_check").fetchone()[0]
with open("result", "w") as file:
    print(count, total, whole, digest.hexdigest(), file=file)
