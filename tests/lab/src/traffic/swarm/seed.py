"""A BitTorrent seed by libtorrent, the engine of qBittorrent: the bulk of `weir-lab bench torrent`.

    seed.py tcp|utp FOLDER ADDRESS:PORT TYPE_OF_SERVICE

Once it listens at the address it prints a line of JSON that describes the torrent, and serves whoever connects until it
is killed. It looks for nobody: no tracker, DHT, local discovery or peer exchange is in use.
"""

import hashlib
import json
import os
import signal
import sys
import time

import libtorrent

# More than any cell moves. The file is sparse, and its content is zeros.
PIECE_BYTES = 1 << 20
PIECES = 1 << 10

# The rest is libtorrent's default.
SETTINGS = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_upnp": False,
    # Peers neither wait for a place nor for being accepted.
    "unchoke_slots_limit": -1,
    "listen_queue_size": 100,
    # The peers of the lab do not encrypt.
    "in_enc_policy": 2,
}


def main(transport, folder, at, type_of_service):
    settings = SETTINGS | {
        "listen_interfaces": at,
        # The whole byte; libtorrent's default is that of Lower Effort.
        "peer_dscp": int(type_of_service),
        "enable_incoming_tcp": transport == "tcp",
        "enable_incoming_utp": transport == "utp",
    }
    with open(os.path.join(folder, "data"), "wb") as file:
        file.truncate(PIECE_BYTES * PIECES)
    hashes = hashlib.sha1(bytes(PIECE_BYTES)).digest() * PIECES
    info = {b"name": b"data", b"length": PIECE_BYTES * PIECES, b"piece length": PIECE_BYTES, b"pieces": hashes}
    parameters = libtorrent.add_torrent_params()
    parameters.ti = libtorrent.torrent_info(libtorrent.bdecode(libtorrent.bencode({b"info": info})))
    parameters.save_path = folder
    parameters.flags = libtorrent.torrent_flags.seed_mode
    # Without the flag of the default plug-ins there is no peer exchange.
    session = libtorrent.session(settings, flags=0)
    handle = session.add_torrent(parameters)
    while not (session.is_listening() and handle.status().is_seeding):
        time.sleep(0.02)
    info_hash = hashlib.sha1(libtorrent.bencode(info)).hexdigest()
    print(json.dumps({"info_hash": info_hash, "piece_bytes": PIECE_BYTES, "pieces": PIECES}), flush=True)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
