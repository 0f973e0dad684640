#include "egress/http2_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glovebox {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Http2Field Of(const char* name, const char* value) { return {name, value}; }

Http2Fields Plain(Http2Fields more = {}) {
  Http2Fields head = {
      {":method", "GET"}, {":scheme", "https"}, {":authority", "pypi.org"}, {":path", "/a?b"}};
  head.insert(head.end(), more.begin(), more.end());
  return head;
}

TEST(Http2Requests, AreWhatTheirPseudoFieldsSay) {
  const Http2Request request = ReadHttp2Request(Plain({{"accept", "*/*"}}));
  EXPECT_EQ(request.why, "");
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/a?b");
  EXPECT_EQ(request.authority, "pypi.org");
  EXPECT_TRUE(request.same_host);
  EXPECT_THAT(request.fields, ElementsAre(Of("accept", "*/*")));
}

TEST(Http2Requests, AreSentWithTheTargetThatWasJudged) {
  const Http2Request request = ReadHttp2Request(Plain({{"a", "1"}, {"a", "2"}}));
  EXPECT_THAT(
      RequestHead(request, "/judged"),
      ElementsAre(Of(":method", "GET"), Of(":scheme", "https"), Of(":authority", "pypi.org"),
                  Of(":path", "/judged"), Of("a", "1"), Of("a", "2")));
}

TEST(Http2Requests, HostIsTheAuthorityOrTakesItsPlace) {
  EXPECT_TRUE(ReadHttp2Request(Plain({{"host", "pypi.org"}})).same_host);
  EXPECT_FALSE(ReadHttp2Request(Plain({{"host", "other.example"}})).same_host);
  EXPECT_FALSE(ReadHttp2Request(Plain({{"host", ""}})).same_host);
  const Http2Request alone = ReadHttp2Request(
      {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"host", "pypi.org"}});
  EXPECT_EQ(alone.authority, "pypi.org");
  EXPECT_TRUE(alone.same_host);
  EXPECT_THAT(alone.fields, IsEmpty());
  EXPECT_NE(ReadHttp2Request(Plain({{"host", "pypi.org"}, {"host", "pypi.org"}})).why, "");
}

TEST(Http2Requests, OfAnotherSchemeOrWithOtherPseudoFieldsAreNone) {
  Http2Fields clear = Plain();
  clear[1].value = "http";
  EXPECT_NE(ReadHttp2Request(clear).why, "");
  EXPECT_NE(ReadHttp2Request(Plain({{":protocol", "websocket"}})).why, "");
  EXPECT_NE(ReadHttp2Request(Plain({{":status", "200"}})).why, "");
  const Http2Request tunnel =
      ReadHttp2Request({{":method", "CONNECT"}, {":authority", "pypi.org:443"}});
  EXPECT_EQ(tunnel.why, "") << "which is refused for its method";
  EXPECT_EQ(tunnel.path, "");
}

TEST(Http2Requests, LeaveBehindWhatIsOfOneHopOrNamesAnotherRequest) {
  const Http2Request request = ReadHttp2Request(Plain({{"connection", "close"},
                                                       {"keep-alive", "1"},
                                                       {"proxy-connection", "x"},
                                                       {"proxy-authorization", "x"},
                                                       {"transfer-encoding", "chunked"},
                                                       {"upgrade", "h2c"},
                                                       {"http2-settings", "x"},
                                                       {"te", "gzip"},
                                                       {"te", "trailers"},
                                                       {"expect", "100-Continue"},
                                                       {"x-http-method", "PUT"},
                                                       {"x_http_method_override", "PUT"},
                                                       {"x-method-override", "PUT"},
                                                       {"x.http.method~override", "PUT"},
                                                       {"x-original-url", "/"},
                                                       {"x_rewrite_url", "/"},
                                                       {"trailer", "grpc-status"}}));
  EXPECT_THAT(request.fields, ElementsAre(Of("te", "trailers"), Of("trailer", "grpc-status")));
  EXPECT_TRUE(request.waits_for_continue);
}

TEST(Http2Responses, HaveAStatusAndFields) {
  const Http2Response response =
      ReadHttp2Response({{":status", "204"}, {"connection", "close"}, {"a", "b"}});
  EXPECT_EQ(response.status, 204);
  EXPECT_THAT(ResponseHead(response), ElementsAre(Of(":status", "204"), Of("a", "b")));
  EXPECT_EQ(ReadHttp2Response({{"a", "b"}}).status, 0);
  EXPECT_EQ(ReadHttp2Response({{":status", "2xx"}}).status, 0);
}

TEST(Http2Trailers, HaveNoPseudoFields) {
  EXPECT_THAT(
      Trailers({{":path", "/"}, {"grpc-status", "0"}, {"upgrade", "x"}, {"x-http-method", "PUT"}}),
      ElementsAre(Of("grpc-status", "0")));
}

TEST(Http2Refusals, SayStatusAndReason) {
  EXPECT_THAT(
      Http2RefusalHead(403, "NO_RULE", 7),
      ElementsAre(Of(":status", "403"), Of("x-glovebox-policy", "NO_RULE"),
                  Of("content-type", "text/plain; charset=utf-8"), Of("content-length", "7")));
}

TEST(Http2Heads, CountAsTheirLimitDoes) {
  EXPECT_EQ(BytesOf({}), 0U);
  EXPECT_EQ(BytesOf({{"abc", "de"}, {"f", ""}}), 5 + 32 + 1 + 32U);
}

TEST(Http2Head, ASecretTakesThePlaceOfWhatTheClientGave) {
  const CredentialHeader credential({"token", "X-Api-Key", "", ""}, SecretValue("k3y-of-nobody"));
  Http2Fields fields = {{"x-api-key", "mine"}, {"x_api_key", "other"}, {"x-kept", "yes"}};
  AddCredential(credential, &fields);
  const Http2Fields wanted = {{"x-kept", "yes"}, {"x-api-key", "k3y-of-nobody", true}};
  EXPECT_EQ(fields, wanted);
  RemoveNamed(credential, &fields);
  EXPECT_EQ(fields, (Http2Fields{{"x-kept", "yes"}}));
}

TEST(Http2Head, AnAnswerIsRidOfTheSecret) {
  const CredentialHeader credential({"token", "X-Api-Key", "", ""}, SecretValue("k3y-of-nobody"));
  Http2Fields fields = {{"x-a", "it is k3y-of-nobody"}, {"k3y-of-nobody", "x"}, {"x-b", "none"}};
  RemoveSecret(credential, &fields);
  EXPECT_EQ(fields, (Http2Fields{{"x-a", "it is [secret]"}, {"x-b", "none"}}));
}

}  // namespace
}  // namespace glovebox
