#pragma once
/// The command line of ipsecd.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ipseckey::ipsecd {

struct Options {
  enum class Do { serve, status, unhook, help, version };

  Do what = Do::serve;
  std::optional<std::string> socket;      ///< --socket PATH; nullopt: the default one.
  std::optional<std::string> user;        ///< --user NAME: the user to become once everything is open.
  std::optional<std::string> group;       ///< --group NAME: members have full access.
  std::optional<std::string> read_group;  ///< --read-group NAME: members may read, without keys.
  std::optional<unsigned> clients;        ///< --max-clients N.
  std::optional<unsigned> user_clients;   ///< --max-user-clients N.
  std::optional<unsigned> sas;            ///< --max-sas N; no limit if not given.
  std::optional<std::string> tun;         ///< --tun NAME; nullopt: SAs are stored, but no packets are carried.
  std::optional<unsigned> queue;          ///< --queue N: the first of netfilter's queues; 50 if not given.
  std::optional<unsigned> workers;        ///< --workers N: packet threads; 1 if not given.
  std::optional<unsigned> mtu;            ///< --mtu BYTES of the links; 1500 if not given.
  std::optional<unsigned> mark;           ///< --mark N of protected packets; none if not given.
  std::optional<std::string> icmp;        ///< --icmp-errors WHOSE: quoted, own or both; quoted if not given.
  std::optional<std::string> source;      ///< --outer-source WHICH: any or same; any if not given.
  std::optional<std::string> got_secure;  ///< --got-secure: accept or drop; accept if not given.
  std::optional<std::string> icmp_clear;  ///< --icmp-in-clear: accept or drop; accept if not given.
  std::optional<std::string> raw_way;     ///< --raw-way: auto, packet or socket; auto if not given.
  bool hook = false;                      ///< --hook.
  bool no_offload = false;                ///< --no-offload.
  bool mss_clamp = false;                 ///< --mss-clamp.
  bool nat_follow = false;                ///< --nat-follow.
  bool beside_ike = false;                ///< --beside-ike.
  bool no_path_reports = false;           ///< --no-path-reports.
  bool keep = false;                      ///< --keep.
  bool json = false;                      ///< status --json.
};

/// The texts for one option in help, the manual page and the shells' completion.
struct OptionText {
  std::string_view name;     ///< With its dashes; synonyms are separated by blanks.
  std::string_view metavar;  ///< Empty: it takes no value.
  std::string help;          ///< Broken into lines by newlines, for help.
};
/// Every option, in the order of help.
std::vector<OptionText> option_texts();

/// Parses the words after the program's name. Error syntax: what is wrong and what is expected.
Result<Options> parse_options(std::span<const std::string_view> words);

/// The text of --help.
std::string help_text();

}  // namespace ipseckey::ipsecd
