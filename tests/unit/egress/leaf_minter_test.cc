#include "egress/leaf_minter.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace glovebox {
namespace {

class SetClock : public Clock {
 public:
  absl::Time Now() const override { return now; }
  int64_t MonotonicNanos() const override { return 0; }
  absl::Time now = absl::Now();
};

struct Authority {
  OwnedX509 certificate;
  OwnedKey key;
};

Authority MakeAuthority(bool is_one = true) {
  Authority made;
  made.key.reset(EVP_EC_gen("P-256"));
  CertificateWish wish;
  wish.common_name = "authority";
  wish.from_unix = absl::ToUnixSeconds(absl::Now()) - 100'000;
  wish.until_unix = wish.from_unix + 10'000'000;
  wish.key = wish.issuer_key = made.key.get();
  wish.extensions = {{NID_basic_constraints, is_one ? "critical,CA:TRUE,pathlen:0" : "CA:FALSE"},
                     {NID_subject_key_identifier, "hash"}};
  made.certificate = MakeCertificate(wish);
  return made;
}

std::string Der(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = ::i2d_X509(certificate, &bytes);
  std::string der(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  ::OPENSSL_free(bytes);
  return der;
}

std::string Der(EVP_PKEY* key) {
  unsigned char* bytes = nullptr;
  const int size = ::i2d_PrivateKey(key, &bytes);
  std::string der(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  ::OPENSSL_free(bytes);
  return der;
}

HostName Name(const std::string& text) { return *HostName::Parse(text); }

class LeafMinterTest : public testing::Test {
 protected:
  void SetUp() override {
    authority_ = MakeAuthority();
    auto made =
        LeafMinter::Make(Der(authority_.certificate.get()), Der(authority_.key.get()), &clock_);
    ASSERT_TRUE(made.ok()) << made.status();
    minter_ = *std::move(made);
  }

  // As a client does.
  bool Verifies(X509* leaf, const std::string& name) {
    X509_STORE* const store = ::X509_STORE_new();
    (void)::X509_STORE_add_cert(store, authority_.certificate.get());
    X509_STORE_CTX* const context = ::X509_STORE_CTX_new();
    (void)::X509_STORE_CTX_init(context, store, leaf, nullptr);
    X509_VERIFY_PARAM* const wanted = ::X509_STORE_CTX_get0_param(context);
    (void)::X509_VERIFY_PARAM_set1_host(wanted, name.c_str(), name.size());
    (void)::X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_SSL_SERVER);
    const bool verified = ::X509_verify_cert(context) == 1;
    ::X509_STORE_CTX_free(context);
    ::X509_STORE_free(store);
    return verified;
  }

  SetClock clock_;
  Authority authority_;
  std::unique_ptr<LeafMinter> minter_;
};

TEST_F(LeafMinterTest, ALeafIsForItsNameAndForNoOther) {
  const std::string longest =
      absl::StrCat(std::string(63, 'a'), ".", std::string(63, 'b'), ".", std::string(63, 'c'), ".",
                   std::string(53, 'd'), ".example");
  for (const std::string& name :
       {std::string("good.example"), std::string("a_b.example"), longest}) {
    X509* const leaf = minter_->LeafFor(Name(name));
    ASSERT_NE(leaf, nullptr) << name;
    EXPECT_TRUE(Verifies(leaf, name)) << name;
    EXPECT_FALSE(Verifies(leaf, "other.example"));
    EXPECT_FALSE(Verifies(leaf, absl::StrCat("a.", name)));
    EXPECT_EQ(::X509_check_ca(leaf), 0);
    EXPECT_EQ(::X509_check_private_key(leaf, minter_->key()), 1);
    EXPECT_NE(::X509_check_private_key(leaf, authority_.key.get()), 1);
  }
}

TEST_F(LeafMinterTest, ALeafIsValidForADayAndMadeAnewBeforeThat) {
  X509* const first = minter_->LeafFor(Name("good.example"));
  const std::string bytes = Der(first);
  int days = 0;
  int seconds = 0;
  ASSERT_EQ(
      ::ASN1_TIME_diff(&days, &seconds, ::X509_get0_notBefore(first), ::X509_get0_notAfter(first)),
      1);
  EXPECT_EQ(days * 86'400 + seconds, LeafMinter::kValidSeconds + LeafMinter::kSkewSeconds);
  clock_.now += absl::Seconds(LeafMinter::kFreshSeconds - 1);
  EXPECT_EQ(Der(minter_->LeafFor(Name("good.example"))), bytes);
  clock_.now += absl::Seconds(1);
  const std::string second = Der(minter_->LeafFor(Name("good.example")));
  EXPECT_NE(second, bytes);
  clock_.now -= absl::Hours(48);
  EXPECT_NE(Der(minter_->LeafFor(Name("good.example"))), second);
  EXPECT_EQ(minter_->kept(), 1u);
}

TEST_F(LeafMinterTest, AsManyAreKeptAsMayBeAndTheOldestGoes) {
  const std::string first = Der(minter_->LeafFor(Name("first.example")));
  std::set<std::string> serials;
  for (size_t i = 0; i < LeafMinter::kLeavesMax + 20; ++i) {
    X509* const leaf = minter_->LeafFor(Name(absl::StrCat("n", i, ".example")));
    const ASN1_INTEGER* const serial = ::X509_get0_serialNumber(leaf);
    serials.emplace(reinterpret_cast<const char*>(serial->data),
                    static_cast<size_t>(serial->length));
    EXPECT_EQ(Der(minter_->LeafFor(Name("first.example"))), first) << "it is in use";
  }
  EXPECT_EQ(minter_->kept(), LeafMinter::kLeavesMax);
  EXPECT_EQ(serials.size(), LeafMinter::kLeavesMax + 20);
}

TEST_F(LeafMinterTest, WhatIsNoAuthorityIsRefused) {
  const Authority other = MakeAuthority();
  const Authority none = MakeAuthority(/*is_one=*/false);
  const std::string certificate = Der(authority_.certificate.get());
  EXPECT_FALSE(LeafMinter::Make(certificate, Der(other.key.get()), &clock_).ok());
  EXPECT_FALSE(LeafMinter::Make("", "", &clock_).ok());
  EXPECT_FALSE(LeafMinter::Make(certificate, "x", &clock_).ok());
  EXPECT_FALSE(LeafMinter::Make(Der(none.certificate.get()), Der(none.key.get()), &clock_).ok());
}

}  // namespace
}  // namespace glovebox
