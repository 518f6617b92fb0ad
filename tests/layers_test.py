#!/usr/bin/env python3
"""Tests that layers.py finds what it must find, on made-up trees, good and bad."""
import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

import layers


def layers_root() -> pathlib.Path:
    return pathlib.Path(layers.__file__).resolve().parent.parent


def breaks(files: dict, check=layers.check_tree) -> list:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in files.items():
            file = root / "src" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return [line.replace(str(root), "ROOT") for line in check(root)]


def whole_tree() -> dict:
    """A source for each folder, which includes everything that the arrows allow, and a row that names just these."""
    files = {}
    for folder, arrows in layers.ARROWS.items():
        files[f"{folder}/a.cc"] = "".join(f'#include "{target}/b.h"\n' for target in arrows)
        files[f"{folder}/CMakeLists.txt"] = f"layer({folder} USES {' '.join(arrows)})\n" if arrows else f"layer({folder})\n"
    return files


class Layers(unittest.TestCase):
    def test_a_good_tree_has_no_violations(self):
        self.assertEqual(
            breaks(
                {
                    "base/net.cc": '#include "base/net.h"\n#include <arpa/inet.h>\n',
                    "base/secret.cc": "#include <sys/mman.h>\n",
                    "pfkey/fields.h": '#include <sys/socket.h>\n#include "base/bytes.h"\n',
                    "crypto/cbc.cc": "#include <openssl/evp.h>\n",
                    "traffic/esp.cc": '#include "crypto/crypto.h"\n#include "engine/sadb.h"\n',
                    "traffic/CMakeLists.txt": "layer(traffic USES engine crypto pfkey base)\n",
                    "engine/engine_test.cc": '#include "backend/memory.h"\n#include <unistd.h>\n',
                    "ipsecd/testing.h": '#include "backend/socket.h"\n',
                    "kernel/xfrm.cc": '#include "backend/backend.h"\n#include <linux/xfrm.h>\n',
                    "backend/memory.cc": '#include "engine/engine.h"\n',
                    "backend/CMakeLists.txt": "layer(backend USES pfkey base engine TEST_USES lang)\n",
                    "backend/store.cc": "#include <sqlite3.h>\n",
                    "backend/detail/pending.cc": '#include "backend/detail/pending.h"\n',
                    "traffic/plane.cc": '#include "traffic/detail/flow.h"\n',
                    "traffic/detail/flow.h": '#include "traffic/packet.h"\n#include "traffic/detail/replay.h"\n',
                    "ipsecd/packets/tun.cc": '#include "ipsecd/packets/tun.h"\n#include "ipsecd/rationed_log.h"\n',
                    "ipsecd/daemon.cc": '#include "ipsecd/packets/tun.h"\n#include "ipsecd/clients/server.h"\n',
                    "ipsecd/CMakeLists.txt": "layer(ipsecd_core USES engine LIBRARIES PkgConfig::SECCOMP TEST_USES backend)\n",
                    "system/clock.h": "auto t = std::chrono::system_clock::now();\n",
                    "cli/program.cc": '#include "cli/verbs/table.h"\n',
                    "cli/verbs/a.cc": '#include "cli/runner.h"\n#include "cli/verbs/table.h"\n',
                    "cli/prompt/editor.cc": "#include <histedit.h>\n#include <termios.h>\n",
                    "cli/main.cc": '#include <unistd.h>\nauto t = std::chrono::steady_clock::now();\n',
                }
            ),
            [],
        )

    def test_each_kind_of_violation_is_found_at_its_line(self):
        rows = (
            ("base/a.h", '\n#include "pfkey/b.h"\n', "src/base/a.h:2: base may not include pfkey"),
            ("lang/a.cc", '#include "engine/b.h"\n', "src/lang/a.cc:1: lang may not include engine"),
            ("backend/socket.cc", '# include "engine/b.h"\n', "src/backend/socket.cc:1: backend may not include engine"),
            ("kernel/xfrm.cc", '#include "lang/b.h"\n', "src/kernel/xfrm.cc:1: kernel may not include lang"),
            ("apply/a.cc", '#include "cli/b.h"\n', "src/apply/a.cc:1: apply may not include cli"),
            ("apply/a.cc", '#include "kernel/b.h"\n', "src/apply/a.cc:1: apply may not include kernel"),
            ("system/a.cc", '#include "pfkey/b.h"\n', "src/system/a.cc:1: system may not include pfkey"),
            ("lang/a.cc", '#include "system/b.h"\n', "src/lang/a.cc:1: lang may not include system"),
            ("base/a.cc", "#include <fcntl.h>\n",
             "src/base/a.cc:1: <fcntl.h>: system calls live in system, backend, kernel, probe, api, apply, cli, ipsecd, and where base maps memory"),
            ("backend/a.cc", '#include "kernel/b.h"\n', "src/backend/a.cc:1: backend may not include kernel"),
            ("cli/a.cc", "#include <linux/xfrm.h>\n", "src/cli/a.cc:1: <linux/xfrm.h>: only kernel speaks to XFRM, and ipsecd counts its policies"),
            ("ipsecd/a.cc", '#include "lang/b.h"\n', "src/ipsecd/a.cc:1: ipsecd may not include lang"),
            ("lang/a.cc", '#include "b.h"\n', 'src/lang/a.cc:1: write "b.h" from src/ on, folder first'),
            ("lang/a.cc", '#include "../pfkey/b.h"\n',
             'src/lang/a.cc:1: write "../pfkey/b.h" from src/ on, folder first'),
            ("engine/esp.cc", "#include <openssl/evp.h>\n",
             "src/engine/esp.cc:1: <openssl/evp.h>: only crypto uses OpenSSL"),
            ("traffic/a.cc", "#include <intel-ipsec-mb.h>\n",
             "src/traffic/a.cc:1: <intel-ipsec-mb.h>: only crypto uses OpenSSL"),
            ("engine/crypto.cc", "#include <openssl/evp.h>\n",
             "src/engine/crypto.cc:1: <openssl/evp.h>: only crypto uses OpenSSL"),
            ("engine/a.cc", '#include "traffic/plane.h"\n', "src/engine/a.cc:1: engine may not include traffic"),
            ("cli/a.cc", '#include "crypto/crypto.h"\n',
             "src/cli/a.cc:1: cli may not include crypto"),
            ("crypto/a.cc", '#include "engine/sadb.h"\n',
             "src/crypto/a.cc:1: crypto may not include engine"),
            ("traffic/a.cc", "auto t = std::chrono::system_clock::now();\n",
             "src/traffic/a.cc:1: time is an argument here: only the outermost layers read a clock"),
            ("engine/CMakeLists.txt", "layer(engine USES traffic pfkey)\n",
             "src/engine/CMakeLists.txt:1: engine may not link traffic"),
            ("ipsecd/a.cc", '#include "traffic/detail/flow.h"\n',
             "src/ipsecd/a.cc:1: traffic/detail is traffic's own: include what lies in traffic itself"),
            ("texts/a.cc", '#include "cli/prompt/editor.h"\n',
             "src/texts/a.cc:1: cli/prompt is cli's own: include what lies in cli itself"),
            ("cli/a_test.cc", '#include "kernel/detail/xfrm_encode.h"\n',
             "src/cli/a_test.cc:1: kernel/detail is kernel's own: include what lies in kernel itself"),
            ("ipsecd/keep/vault.cc", '#include "ipsecd/packets/tun.h"\n',
             "src/ipsecd/keep/vault.cc:1: ipsecd/keep may not include ipsecd/packets: what both need lies in ipsecd itself"),
            ("kernel/a.cc", "#include <sqlite3.h>\n", "src/kernel/a.cc:1: <sqlite3.h>: only backend/store uses SQLite"),
            ("cli/runner.cc", '#include "cli/verbs/table.h"\n',
             "src/cli/runner.cc:1: cli/runner.cc may not include cli/verbs: the runner, and all else in cli, is given the table "
             "and knows no command"),
            ("cli/a.cc", "#include <histedit.h>\n", "src/cli/a.cc:1: <histedit.h>: only cli/prompt has a terminal"),
            ("cli/a.cc", "#include <systemd/sd-daemon.h>\n", "src/cli/a.cc:1: <systemd/sd-daemon.h>: only ipsecd is a service"),
            ("ipsecd/a.cc", "#include <libnetfilter_queue/libnetfilter_queue.h>\n",
             "src/ipsecd/a.cc:1: <libnetfilter_queue/libnetfilter_queue.h>: packets come and go in ipsecd/packets"),
            ("cli/a.cc", "auto t = std::chrono::system_clock::now();\n",
             "src/cli/a.cc:1: only system/clock.h reads the wall clock"),
            ("traffic/CMakeLists.txt", "layer(traffic USES engine LIBRARIES OpenSSL::Crypto)\n",
             "src/traffic/CMakeLists.txt:1: traffic may not link OpenSSL::Crypto: that is crypto's"),
            ("backend/CMakeLists.txt", "layer(backend USES ipsecd_core)\n", "src/backend/CMakeLists.txt:1: backend may not link ipsecd"),
            ("lang/a.cc", "#include <unistd.h>\n",
             "src/lang/a.cc:1: <unistd.h>: system calls live in system, backend, kernel, probe, api, apply, cli, ipsecd, and where base maps memory"),
            ("pfkey/print.cc", "#include <sys/socket.h>\n",
             "src/pfkey/print.cc:1: <sys/socket.h>: system calls live in system, backend, kernel, probe, api, apply, cli, ipsecd, and where base maps memory"),
            ("engine/a.cc", "auto t = std::chrono::system_clock::now();\n",
             "src/engine/a.cc:1: time is an argument here: only the outermost layers read a clock"),
            ("lang/a.cc", "auto t = ::time(nullptr);\n",
             "src/lang/a.cc:1: time is an argument here: only the outermost layers read a clock"),
            ("extra/a.cc", "", "src/extra/a.cc:1: no arrow leads to or from this folder: see doc/explanation/design.md"),
            ("lang/CMakeLists.txt", "layer(lang\n  USES pfkey engine)\n",
             "src/lang/CMakeLists.txt:1: lang may not link engine"),
        )
        for path, text, expected in rows:
            with self.subTest(expected):
                good = {"base/good.h": ""}
                self.assertEqual(breaks({**good, path: text}), [expected])

    def test_arrows_and_rows_match_the_includes(self):
        self.assertEqual(breaks(whole_tree(), layers.check_uses), [])
        self.assertEqual(
            breaks({**whole_tree(), "kernel/a.cc": '#include "backend/b.h"\n#include "pfkey/b.h"\n#include "base/b.h"\n'},
                   layers.check_uses),
            ["tests/layers.py: nothing in kernel includes policy: drop the arrow",
             "tests/layers.py: nothing in kernel includes system: drop the arrow",
             "src/kernel/CMakeLists.txt: USES: kernel does not include policy",
             "src/kernel/CMakeLists.txt: USES: kernel does not include system"])
        self.assertEqual(
            breaks({**whole_tree(), "lang/CMakeLists.txt": "layer(lang USES table base TEST_USES pfkey)\n"}, layers.check_uses),
            ["src/lang/CMakeLists.txt: USES: lang does not name, but includes, pfkey"])

    def test_includes_of_tests_do_not_count(self):
        row = {"crypto/a.cc": '#include "base/b.h"\n', "crypto/a_test.cc": '#include "pfkey/b.h"\n'}
        self.assertEqual(
            breaks({**whole_tree(), **row}, layers.check_uses),
            ["tests/layers.py: nothing in crypto includes pfkey: drop the arrow",
             "src/crypto/CMakeLists.txt: USES: crypto does not include pfkey"])

    def test_an_empty_tree_is_a_failure(self):
        self.assertEqual(breaks({}), ["ROOT/src: no source here"])


class Drawing(unittest.TestCase):
    def test_shows_each_folder_and_no_arrow_that_follows_from_two(self):
        loader = importlib.machinery.SourceFileLoader("draw_folders", str(layers_root() / "tools/draw-folders"))
        script = importlib.util.module_from_spec(importlib.util.spec_from_loader("draw_folders", loader))
        loader.exec_module(script)
        files = {
            "base/a.h": "",
            "pfkey/a.h": '#include "base/a.h"\n',
            "engine/a.h": '#include "pfkey/a.h"\n',
            "backend/a.cc": '#include "pfkey/a.h"\n#include "base/a.h"\n#include "backend/detail/b.h"\n',
            "backend/memory.cc": '#include "engine/a.h"\n',
            "backend/detail/b.h": "",
            "backend/a_test.cc": '#include "cli/a.h"\n',
            "cli/prompt/a.cc": '#include "backend/memory.h"\n',
            **{f"{folder}/CMakeLists.txt": "" for folder in ("base", "pfkey", "engine", "backend", "cli")},
        }
        with tempfile.TemporaryDirectory() as folder:
            for path, text in files.items():
                file = pathlib.Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            self.assertEqual(
                script.drawing(pathlib.Path(folder)),
                "graph TD\n  backend -.-> engine\n  backend --> pfkey\n  cli --> backend\n  engine --> pfkey\n  pfkey --> base\n")


if __name__ == "__main__":
    unittest.main()
