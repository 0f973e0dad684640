#include "egress/http2_head.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "egress/http_fields.h"

namespace glovebox {
namespace {

bool IsPseudo(const Http2Field& field) { return absl::StartsWith(field.name, ":"); }

// "te: trailers" is what a gRPC server wants to see; nghttp2 lets no other one pass.
bool IsOfOneHop(const Http2Field& field) {
  for (const char* const hop : {"connection", "proxy-connection", "keep-alive", "transfer-encoding",
                                "upgrade", "http2-settings", "proxy-authorization"}) {
    if (field.name == hop) return true;
  }
  return field.name == "te" && field.value != "trailers";
}

std::string* PseudoOf(Http2Request* request, std::string* scheme, absl::string_view name) {
  if (name == ":method") return &request->method;
  if (name == ":path") return &request->path;
  if (name == ":authority") return &request->authority;
  if (name == ":scheme") return scheme;
  return nullptr;
}

Http2Fields Joined(Http2Fields pseudo, const Http2Fields& fields) {
  pseudo.insert(pseudo.end(), fields.begin(), fields.end());
  return pseudo;
}

}  // namespace

size_t BytesOf(const Http2Fields& fields) {
  size_t bytes = 0;
  for (const Http2Field& field : fields) {
    bytes += field.name.size() + field.value.size() + kHttp2FieldBytes;
  }
  return bytes;
}

Http2Request ReadHttp2Request(Http2Fields head) {
  Http2Request request;
  std::string scheme;
  std::string host;
  int hosts = 0;
  for (Http2Field& field : head) {
    if (IsPseudo(field)) {
      std::string* const place = PseudoOf(&request, &scheme, field.name);
      if (place == nullptr) {
        request.why = "it has a pseudo field that is none of a request";
      } else {
        *place = std::move(field.value);
      }
    } else if (field.name == "host") {
      ++hosts;
      host = std::move(field.value);
    } else if (field.name == "expect") {
      request.waits_for_continue =
          request.waits_for_continue || absl::EqualsIgnoreCase(field.value, "100-continue");
    } else if (!IsOfOneHop(field) && !NamesAnotherRequest(field.name)) {
      request.fields.push_back(std::move(field));
    }
  }
  if (hosts > 1) request.why = "it has not exactly one Host";
  if (request.authority.empty()) request.authority = host;
  request.same_host = hosts == 0 || host == request.authority;
  if (request.method != "CONNECT" && scheme != "https") request.why = "its scheme is not https";
  return request;
}

void RemoveNamed(const CredentialHeader& credential, Http2Fields* fields) {
  std::erase_if(*fields,
                [&](const Http2Field& field) { return IsNamedAs(field.name, credential.name()); });
}

void AddCredential(const CredentialHeader& credential, Http2Fields* fields) {
  RemoveNamed(credential, fields);
  fields->push_back({absl::AsciiStrToLower(credential.name()), credential.value(), true});
}

void RemoveSecret(const CredentialHeader& credential, Http2Fields* fields) {
  std::erase_if(*fields, [&](const Http2Field& field) { return credential.IsIn(field.name); });
  for (Http2Field& field : *fields) {
    if (credential.IsIn(field.value)) field.value = credential.WithoutIt(field.value);
  }
}

Http2Fields RequestHead(const Http2Request& request, absl::string_view target) {
  return Joined({{":method", request.method},
                 {":scheme", "https"},
                 {":authority", request.authority},
                 {":path", std::string(target)}},
                request.fields);
}

Http2Response ReadHttp2Response(Http2Fields head) {
  Http2Response response;
  for (Http2Field& field : head) {
    if (field.name == ":status") {
      if (!absl::SimpleAtoi(field.value, &response.status)) response.status = 0;
    } else if (!IsPseudo(field) && !IsOfOneHop(field)) {
      response.fields.push_back(std::move(field));
    }
  }
  return response;
}

Http2Fields ResponseHead(const Http2Response& response) {
  return Joined({{":status", absl::StrCat(response.status)}}, response.fields);
}

Http2Fields Trailers(Http2Fields trailers) {
  const auto stays_here = [](const Http2Field& field) {
    return IsPseudo(field) || IsOfOneHop(field) || NamesAnotherRequest(field.name);
  };
  trailers.erase(std::remove_if(trailers.begin(), trailers.end(), stays_here), trailers.end());
  return trailers;
}

Http2Fields Http2RefusalHead(int status, absl::string_view reason, size_t sentence_bytes) {
  return {{":status", absl::StrCat(status)},
          {"x-glovebox-policy", std::string(reason)},
          {"content-type", "text/plain; charset=utf-8"},
          {"content-length", absl::StrCat(sentence_bytes)}};
}

}  // namespace glovebox
