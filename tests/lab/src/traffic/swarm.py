"""A BitTorrent seed and its leechers, by libtorrent: the bulk of `weir-lab bench torrent`.

    swarm.py seed  tcp|utp FOLDER ADDRESS:PORT TYPE_OF_SERVICE
    swarm.py leech tcp|utp FOLDER ADDRESS:PORT LEECHER...

The seed listens at the address. Each leecher is a session of its own at its own address; it connects to the seed and
learns of nobody else, because no tracker, DHT, local discovery or peer exchange is in use. Four times a second the
program prints a line of JSON: `seconds` (monotonic), `bytes` of payload sent or received until then, and `peers`, the
connections of the seed or the leechers that have received something. It runs until it is killed.
"""

import hashlib
import json
import os
import sys
import time

import libtorrent

# More than any cell moves. The file is sparse, and its content is zeros.
SIZE_BYTES = 1 << 30
PIECE_BYTES = 1 << 20
LEECHER_PORT = 6881
EVERY_SECONDS = 0.25

# The rest is libtorrent's default. Where a number differs from it, 40 peers would wait for a place otherwise.
SETTINGS = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_upnp": False,
    "unchoke_slots_limit": -1,
    "listen_queue_size": 100,
    "min_reconnect_time": 2,
    # One disk thread a session; encryption is off because emulated processors pay for it with the call's delay.
    "aio_threads": 1,
    "in_enc_policy": 2,
    "out_enc_policy": 2,
}


def open_session(transport, **settings):
    for direction in ("incoming", "outgoing"):
        settings[f"enable_{direction}_tcp"] = transport == "tcp"
        settings[f"enable_{direction}_utp"] = transport == "utp"
    # Without the flag of the default plug-ins there is no peer exchange.
    return libtorrent.session(SETTINGS | settings, flags=0)


def add_torrent(session, folder, flags):
    hashes = hashlib.sha1(bytes(PIECE_BYTES)).digest() * (SIZE_BYTES // PIECE_BYTES)
    info = {b"name": b"data", b"length": SIZE_BYTES, b"piece length": PIECE_BYTES, b"pieces": hashes}
    parameters = libtorrent.add_torrent_params()
    parameters.ti = libtorrent.torrent_info(libtorrent.bdecode(libtorrent.bencode({b"info": info})))
    parameters.save_path = folder
    parameters.flags = flags
    return session.add_torrent(parameters)


def report(progress):
    while True:
        count, peers = progress()
        print(json.dumps({"seconds": time.monotonic(), "bytes": count, "peers": peers}), flush=True)
        time.sleep(EVERY_SECONDS)


def seed(transport, folder, at, type_of_service):
    with open(os.path.join(folder, "data"), "wb") as file:
        file.truncate(SIZE_BYTES)
    # `peer_dscp` is the whole byte; its default is Lower Effort.
    session = open_session(transport, listen_interfaces=at, peer_dscp=int(type_of_service))
    handle = add_torrent(session, folder, libtorrent.torrent_flags.seed_mode)
    while not session.is_listening():
        time.sleep(EVERY_SECONDS / 10)

    def progress():
        status = handle.status(0)
        return status.total_payload_upload, status.num_peers

    report(progress)


def leech(transport, folder, to, addresses):
    host, port = to.rsplit(":", 1)
    sessions, handles = [], []
    for address in addresses:
        own = os.path.join(folder, address)
        os.mkdir(own)
        listen = f"{address}:{LEECHER_PORT}"
        session = open_session(transport, listen_interfaces=listen, outgoing_interfaces=address)
        handle = add_torrent(session, own, libtorrent.torrent_flags.update_subscribe)
        handle.connect_peer((host, int(port)))
        sessions.append(session)
        handles.append(handle)

    def progress():
        received = [handle.status(0).total_payload_download for handle in handles]
        return sum(received), sum(count > 0 for count in received)

    report(progress)


if __name__ == "__main__":
    role, transport, folder, at, *rest = sys.argv[1:]
    if role == "seed":
        seed(transport, folder, at, *rest)
    else:
        leech(transport, folder, at, rest)
