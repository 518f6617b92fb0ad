// Writes the corpus of files of rules: one for each keyword, property and action of the tables, and some whole files.
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include "policylang/icmp_names.h"
#include "policylang/rows.h"

using namespace ipseckey;

namespace {

void write(const std::string& folder, std::string_view name, const std::string& text) {
  std::ofstream(folder + "/" + std::string(name)) << text;
}

// A value that the row takes, by what stands for it in help.
std::string value_of(std::string_view metavar) {
  if (metavar.starts_with("ADDRESS|NAME[")) return "10.1.2.3/16";
  if (metavar.starts_with("ADDRESS")) return "192.0.2.1";
  if (metavar == "PORT") return "https";
  if (metavar == "PROTOCOL") return "tcp";
  if (metavar == "MASK") return "255.255.0.0";
  if (metavar.starts_with("TYPE")) return "3-5";
  if (metavar.starts_with("CODE")) return "needfrag";
  if (metavar == "INTERFACE") return "ip.tun0";
  if (metavar.starts_with("ALGORITHM")) return "any(128..256)";
  if (metavar == "NUMBER") return "7";
  if (metavar.starts_with("VALUE")) return "0x10/0xff";
  return std::string(metavar.substr(0, metavar.find('|')));
}

std::string with_value_of(const table::Row& row) { return std::string(row.name()) + " " + value_of(metavar(row)); }

void rows(const std::string& folder) {
  using namespace policylang;
  for (const PatternRow& row : pattern_rows()) {
    const bool old = row.style == Style::old_one;
    write(folder, "pattern-" + std::string(row.name()),
          "{ " + with_value_of(row) + (old ? " } apply { auth_algs sha256 }\n" : " } ipsec { auth_algs sha256 }\n"));
  }
  for (const PropertyRow& row : property_rows())
    write(folder, "property-" + std::string(row.name()), "{ raddr 10.0.0.2 } ipsec { " + with_value_of(row) + " }\n");
  for (const ActionRow& row : action_rows())
    write(folder, "action-" + std::string(row.name),
          "{ ulp tcp } " + std::string(row.name) + " {}\n{ dir in } " + std::string(row.name) + " { auth_algs any }\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fuzz_policy_seeds FOLDER    Writes FOLDER/*, files of rules; the folder must exist.\n", stderr);
    return 2;
  }
  const std::string folder = argv[1];
  rows(folder);
  std::string icmp;
  for (const policylang::IcmpName& type : policylang::icmp_types())
    icmp += "{ ulp " + std::string(type.v6 ? "ipv6-icmp" : "icmp") + " type " + std::string(type.name) +
            " dir both } pass {}\n";
  write(folder, "icmp", icmp);
  write(folder, "old-pair",
        "{ saddr 10.0.0.1 daddr 10.0.0.2 } apply { encr_algs aes encr_auth_algs sha256 sa unique }\n"
        "{ saddr 10.0.0.2 daddr 10.0.0.1 } permit { encr_algs aes encr_auth_algs sha256 }\n");
  write(folder, "server",
        "# A web server in the clear, all else protected.\n"
        "{ lport 80 ulp tcp dir both } bypass {}\n{ rport 53 dir both } bypass {}\n"
        "{} ipsec { encr_algs aes(192..) encr_auth_algs sha256 } or ipsec { auth_algs sha1 } or pass {}\n"
        "{ lport 23 dir in } drop {}\n");
  write(folder, "names", "{ laddr both raddr two } ipsec { encr_algs aes-gcm }\n{ raddr two/24 dir in } drop {}\n");
  write(folder, "order", "# ours\norder file\n{ raddr 10/8 dir in } drop {}\n{ raddr campus dir both } pass {}\n");
  write(folder, "order-broken", "order sideways\n{ raddr 10.1/16 dir in } drop {}\norder file\n");
  write(folder, "packet", "from 10.0.0.1 to 10.0.0.2 proto tcp sport 1 dport https mark 7 if_id 3 tunnel t0 in");
  write(folder, "packet-icmp", "from ::1 to 2001:db8::6 proto ipv6-icmp type echo6 code 0 fwd");
  write(folder, "tunnel",
        "{\n  tunnel ip.tun0 negotiate tunnel\n  laddr 10.1.0.0/16 raddr 10.2.0.0/16\n} ipsec\n"
        "{ encr_algs aes-gcm(256) reqid 7 tsrc 192.0.2.1 tdst 192.0.2.2 level use mark 1/3 if_id 9 }\n"
        "{ tunnel gre1 negotiate transport } ipsec { auth_algs any }\n");
  write(folder, "broken",
        "{ laddr 10.0.0.1\n{ dir in } drop\n{}\nor pass {}\n{ dir in \\\n} drop {}\n{ \"x } pass {} {\n");
  return 0;
}
