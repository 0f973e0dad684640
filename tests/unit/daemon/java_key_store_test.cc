#include "daemon/java_key_store.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdint>
#include <ctime>
#include <memory>

#include "egress/certificate.h"

namespace glovebox {
namespace {

std::string MakePem(const std::string& name) {
  const OwnedKey key(::EVP_EC_gen("P-256"));
  const int64_t now = std::time(nullptr);
  const OwnedX509 certificate =
      MakeCertificate({name, now - 60, now + 3600, key.get(), nullptr, key.get(), {}});
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(::BIO_new(::BIO_s_mem()), ::BIO_free);
  EXPECT_EQ(::PEM_write_bio_X509(bio.get(), certificate.get()), 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(size)};
}

uint64_t NumberAt(const std::string& store, size_t at) {
  uint64_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(store[at + i]);
  return number;
}

// What Java makes of it is shown by e2e/egress_opened_suite.py.
TEST(JavaKeyStore, HasEveryCertificateAndPassesOverWhatIsNone) {
  const std::string one = MakePem("one.example");
  const std::string two = MakePem("two.example");
  const std::string store =
      JavaKeyStore("# roots\n" + one +
                   "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n" + "rest\n" + two);
  EXPECT_EQ(NumberAt(store, 0), 0xfeedfeedU);
  EXPECT_EQ(NumberAt(store, 4), 2U);
  EXPECT_EQ(NumberAt(store, 8), 2U);
  for (const char* name : {"one.example", "two.example", "root-0", "root-1", "X.509"}) {
    EXPECT_NE(store.find(name), store.npos) << name;
  }
}

// SHA-1 of the password in UTF-16, "Mighty Aphrodite", and the twelve bytes before it.
TEST(JavaKeyStore, OfNothingIsAStoreOfNothing) {
  const std::string store = JavaKeyStore("");
  ASSERT_EQ(store.size(), 32U);
  EXPECT_EQ(NumberAt(store, 8), 0U);
  EXPECT_EQ(NumberAt(store, 12), 0xe268'6e45U);
}

}  // namespace
}  // namespace glovebox
