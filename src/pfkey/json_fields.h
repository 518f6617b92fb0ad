#pragma once
/// THE tables of the members of JSON objects: json.cc writes them, json_read.cc reads them.
#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "base/json_tree.h"
#include "pfkey/algorithms.h"
#include "pfkey/message.h"
#include "pfkey/names.h"

namespace ipseckey::pfkey {

/// A member that is one field of a structure.
template <class T, class M>
struct JsonField {
  std::string_view name;
  M T::* place;
  bool required = false;            ///< In what is read; all are written.
  std::uint64_t most = UINT64_MAX;  ///< The greatest number that is taken.
};

/// A member that says the same as others do.
struct JsonEcho {
  std::string_view name;
};

inline constexpr bool kRequired = true;

/// The members of a structure, in the order in which they are written.
template <class T>
inline constexpr std::tuple<> kJsonFields{};

template <>
inline constexpr std::tuple kJsonFields<Endpoint>{
    JsonField{"address", &Endpoint::address, kRequired}, JsonField{"prefix", &Endpoint::prefix, false, 128},
    JsonField{"proto", &Endpoint::proto}, JsonField{"port", &Endpoint::port}};
template <>
inline constexpr std::tuple kJsonFields<Lifetime>{
    JsonField{"allocations", &Lifetime::allocations}, JsonField{"bytes", &Lifetime::bytes},
    JsonField{"addtime", &Lifetime::addtime}, JsonField{"usetime", &Lifetime::usetime}};
/// Text that is not ASCII may not be UTF-8 either, and then JSON cannot hold it: its octets are beside it in "hex".
template <>
inline constexpr std::tuple kJsonFields<Identity>{JsonField{"type", &Identity::type, kRequired},
                                                  JsonField{"text", &Identity::text}, JsonField{"id", &Identity::id},
                                                  JsonEcho{"hex"}};
template <>
inline constexpr std::tuple kJsonFields<Sensitivity>{
    JsonField{"domain", &Sensitivity::dpd},
    JsonField{"level", &Sensitivity::level, kRequired},
    JsonField{"integrity", &Sensitivity::integrity},
    JsonField{"flags", &Sensitivity::flags},
    JsonField{"compartments", &Sensitivity::bitmap},
    JsonField{"integrity_compartments", &Sensitivity::integrity_bitmap}};
template <>
inline constexpr std::tuple kJsonFields<KmCookie>{JsonField{"protocol", &KmCookie::proto}, JsonEcho{"name"},
                                                  JsonField{"cookie", &KmCookie::cookie}};
template <>
inline constexpr std::tuple kJsonFields<Pair>{JsonField{"spi", &Pair::spi, kRequired}};
template <>
inline constexpr std::tuple kJsonFields<SpiRange>{JsonField{"min", &SpiRange::min, kRequired},
                                                  JsonField{"max", &SpiRange::max, kRequired}};
template <>
inline constexpr std::tuple kJsonFields<Mark>{JsonField{"value", &Mark::value, kRequired},
                                              JsonField{"mask", &Mark::mask}};
template <>
inline constexpr std::tuple kJsonFields<Offload>{JsonField{"mode", &Offload::mode, kRequired},
                                                 JsonField{"device", &Offload::device, kRequired}};
template <>
inline constexpr std::tuple kJsonFields<Traffic>{
    JsonField{"packets", &Traffic::packets},    JsonField{"last_use", &Traffic::last_use},
    JsonField{"replayed", &Traffic::replayed},  JsonField{"late", &Traffic::late},
    JsonField{"corrupt", &Traffic::corrupt},    JsonField{"mismatched", &Traffic::mismatched},
    JsonField{"malformed", &Traffic::malformed}};

/// A structure with such a table.
template <class T>
concept HasJsonFields = std::tuple_size_v<std::remove_const_t<decltype(kJsonFields<T>)>> > 0;

/// The words of a number, for those of its values that have one; nullptr: none has.
using JsonWords = std::span<const Word> (*)();

/// A member that is one extension.
struct JsonExtension {
  std::string_view name;
  Slot slot;
};
/// In the order in which they are written. Rows of extensions() with a name of their own follow, then kJsonLast.
inline constexpr std::array kJsonExtensions = {
    JsonExtension{"replay_value", &Message::replay_value},
    JsonExtension{"src", &Message::src},
    JsonExtension{"dst", &Message::dst},
    JsonExtension{"inner_src", &Message::inner_src},
    JsonExtension{"inner_dst", &Message::inner_dst},
    JsonExtension{"nat_loc", &Message::natt_local},
    JsonExtension{"nat_rem", &Message::natt_remote},
    JsonExtension{"current", &Message::current},
    JsonExtension{"soft", &Message::soft},
    JsonExtension{"hard", &Message::hard},
    JsonExtension{"idle", &Message::idle},
    JsonExtension{"src_identity", &Message::src_identity},
    JsonExtension{"dst_identity", &Message::dst_identity},
    JsonExtension{"label", &Message::sensitivity},
    JsonExtension{"outer_label", &Message::outer_sensitivity},
    JsonExtension{"pair", &Message::pair},
    JsonExtension{"km_cookie", &Message::km_cookie},
    JsonExtension{"proposal", &Message::proposal},
    JsonExtension{"extended_proposal", &Message::extended_proposal},
    JsonExtension{"supported_auth", &Message::supported_auth},
    JsonExtension{"supported_encr", &Message::supported_encrypt},
    JsonExtension{"spi_range", &Message::spi_range},
    JsonExtension{"extended_register", &Message::extended_register},
    JsonExtension{"dump_timeout", &Message::extended_dump},
};
inline constexpr std::array kJsonLast = {
    JsonExtension{"remark", &Message::remark},
    JsonExtension{"traffic", &Message::traffic},
};

/// A key: its member, and the members of that.
struct JsonKey {
  std::string_view name;
  std::optional<Key> Message::* place;
};
inline constexpr std::array kJsonKeys = {
    JsonKey{"auth_key", &Message::auth_key},
    JsonKey{"encr_key", &Message::encrypt_key},
    JsonKey{"initial_iv", &Message::initial_iv},
};
/// A stretch of a key: how long it is, and its digits.
struct JsonKeyPart {
  std::string_view bits, digits;
};
inline constexpr JsonKeyPart kJsonKeyItself{"bits", "hex"}, kJsonSalt{"salt_bits", "salt"}, kJsonIv{"iv_bits", "iv"};

/// The words of "mode".
inline constexpr std::string_view kJsonTunnel = "tunnel", kJsonTransport = "transport";

class JsonSaReader;

/// What sadb_sa says, and what goes with it: how it is written (false: not at all) and read.
struct JsonSaMember {
  std::string_view name;
  bool (*write)(const Message& m, nlohmann::ordered_json& out);
  void (JsonSaReader::*read)(const JsonNode& node);
};
/// In the order in which they are written.
std::span<const JsonSaMember> json_sa_members();

// What json.cc writes of them.
namespace json_out {
using Json = nlohmann::ordered_json;
bool spi(const Message& m, Json& out);
bool state(const Message& m, Json& out);
bool mode(const Message& m, Json& out);
bool flags(const Message& m, Json& out);
bool flag_names(const Message& m, Json& out);
bool auth_alg(const Message& m, Json& out);
bool encr_alg(const Message& m, Json& out);
bool replay_window(const Message& m, Json& out);
bool esn(const Message& m, Json& out);
}  // namespace json_out

}  // namespace ipseckey::pfkey
