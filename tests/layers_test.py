#!/usr/bin/env python3
"""Does layers.py see what it must see? Made-up trees, good and bad."""
import pathlib
import tempfile
import unittest

import layers


def breaks(files: dict) -> list:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in files.items():
            file = root / "src" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return [line.replace(str(root), "ROOT") for line in layers.check_tree(root)]


class Layers(unittest.TestCase):
    def test_a_good_tree_has_no_breaks(self):
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
                    "cli/main.cc": '#include <unistd.h>\nauto t = std::chrono::steady_clock::now();\n',
                }
            ),
            [],
        )

    def test_each_kind_of_break_is_seen_at_its_line(self):
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
             "src/base/a.cc:1: <fcntl.h>: system calls live in system, backend, kernel, apply, cli, ipsecd, and where base locks memory"),
            ("backend/a.cc", '#include "kernel/b.h"\n', "src/backend/a.cc:1: backend may not include kernel"),
            ("cli/a.cc", "#include <linux/xfrm.h>\n", "src/cli/a.cc:1: <linux/xfrm.h>: only kernel speaks netlink"),
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
            ("lang/a.cc", "#include <unistd.h>\n",
             "src/lang/a.cc:1: <unistd.h>: system calls live in system, backend, kernel, apply, cli, ipsecd, and where base locks memory"),
            ("pfkey/print.cc", "#include <sys/socket.h>\n",
             "src/pfkey/print.cc:1: <sys/socket.h>: system calls live in system, backend, kernel, apply, cli, ipsecd, and where base locks memory"),
            ("engine/a.cc", "auto t = std::chrono::system_clock::now();\n",
             "src/engine/a.cc:1: time is an argument here: only the outermost layers read a clock"),
            ("lang/a.cc", "auto t = ::time(nullptr);\n",
             "src/lang/a.cc:1: time is an argument here: only the outermost layers read a clock"),
            ("extra/a.cc", "", "src/extra/a.cc:1: no arrow leads to or from this folder: see doc/design.md"),
            ("lang/CMakeLists.txt", "layer(lang\n  USES pfkey engine)\n",
             "src/lang/CMakeLists.txt:1: lang may not link engine"),
        )
        for path, text, expected in rows:
            with self.subTest(expected):
                good = {"base/good.h": ""}
                self.assertEqual(breaks({**good, path: text}), [expected])

    def test_an_empty_tree_is_no_success(self):
        self.assertEqual(breaks({}), ["ROOT/src: no source here"])


if __name__ == "__main__":
    unittest.main()
