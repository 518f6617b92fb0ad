#pragma once
/// A command as the rules between its keywords see it, and their sentences about the sizes of its keys.
#include <string>

#include "lang/commands.h"
#include "lang/spec.h"
#include "pfkey/algorithms.h"

namespace ipseckey::lang {

/// The command, the rows of its algorithms (null if none is named or the name is unknown), and whether it gives a
/// key, even one that could not be read.
struct RuleView {
  Verb verb;
  pfkey::SaType satype;
  const SaSpec& spec;
  const pfkey::Algorithm* auth;
  const pfkey::Algorithm* encrypt;
  bool gives_key;

  bool adds() const { return verb == Verb::add; }
  // An update without a key does not complete a larval SA.
  bool updates() const { return (bit(verb) & kWriters) != 0 && !adds() && !gives_key; }
  bool is_ah() const { return satype == pfkey::SaType::ah; }
  bool adds_esp() const { return adds() && !is_ah(); }
  bool no_auth() const { return !spec.auth || spec.auth->number == 0; }
  bool no_cipher() const { return !spec.encrypt || spec.encrypt->number == 0; }
  // An SA that encrypts and accepts any packet.
  bool unvouched() const {
    return (adds() || spec.encrypt_key) && !is_ah() && encrypt && encrypt->takes_key() && no_auth() &&
           without_integrity(encrypt, nullptr);
  }
  bool null_cipher() const { return encrypt && !encrypt->takes_key(); }
};

/// The key does not suit its algorithm, and the sentence that says which sizes do.
bool wrong_auth_key(const RuleView& v);
std::string auth_key_sizes(const RuleView& v);
bool wrong_encrypt_key(const RuleView& v);
std::string encrypt_key_sizes(const RuleView& v);

/// The key works, but its size is not that of the algorithm's RFC.
bool unusual_auth_key(const RuleView& v);
std::string unusual_size(const RuleView& v);

/// Bits at the end of the encryption key that are an explicit initial IV.
unsigned reserved_bits(const RuleView& v);

}  // namespace ipseckey::lang
