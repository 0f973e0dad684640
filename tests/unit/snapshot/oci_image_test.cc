#include "snapshot/oci_image.h"

#include <gtest/gtest.h>

#include <set>

#include "snapshot/image_record.h"
#include "snapshot/layer_store.h"
#include "snapshot/oci_import.h"

namespace glovebox {
namespace {

std::string Digits(char c) { return std::string(64, c); }

OciImage SomeImage() {
  OciImage image;
  image.layers = {{"blobs/sha256/" + Digits('a'), Digits('a'), Digits('b')},
                  {"0/layer.tar", "", Digits('c')}};
  image.config = {{"PATH=/bin", "JAVA_HOME=/opt/java"}, "/srv/app", "app:app"};
  image.notes = {"something was left out"};
  return image;
}

TEST(OciImage, IsReadBackUnchanged) {
  const auto read = ParseOciImage(FormatOciImage(SomeImage()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, SomeImage());
}

TEST(OciImage, WhatNoImporterSaysIsRefused) {
  const auto refused = [](auto change) {
    OciImage image = SomeImage();
    change(&image);
    return !ParseOciImage(FormatOciImage(image)).ok();
  };
  EXPECT_TRUE(refused([](OciImage* i) { i->layers[0].blob = "../x"; }));
  EXPECT_TRUE(refused([](OciImage* i) { i->layers[0].blob = "/etc/passwd"; }));
  EXPECT_TRUE(refused([](OciImage* i) { i->layers[0].digest = "x"; }));
  EXPECT_TRUE(refused([](OciImage* i) { i->layers[1].diff_id = ""; }));
  EXPECT_TRUE(
      refused([](OciImage* i) { i->layers.resize(OciImage::kLayersMax + 1, i->layers[0]); }));
  EXPECT_TRUE(refused([](OciImage* i) { i->config.environment.push_back("LD_PRELOAD=/x"); }));
  EXPECT_TRUE(refused([](OciImage* i) { i->config.environment.push_back("PATH=/again"); }));
  EXPECT_TRUE(refused([](OciImage* i) { i->config.environment.push_back("LANG=\x1b[2J"); }));
  EXPECT_TRUE(refused([](OciImage* i) { i->config.workdir = "relative"; }));
  EXPECT_TRUE(refused([](OciImage* i) { i->config.workdir = "/a/../b"; }));
  EXPECT_TRUE(refused([](OciImage* i) { i->config.user = "a\nb"; }));
  EXPECT_TRUE(refused([](OciImage* i) { i->notes.assign(65, "x"); }));
  for (const char* json : {"", "[]", "null", "{}", "{\"layers\":[1]}", "\xff"}) {
    EXPECT_FALSE(ParseOciImage(json).ok()) << json;
  }
}

TEST(OciImage, ImagesSetVariablesOfToolsAndNoneThatALoaderObeys) {
  for (const char* name : {"PATH", "LC_ALL", "JAVA_HOME", "PYTHONPATH", "NODE_VERSION", "GOPATH"}) {
    EXPECT_TRUE(ImageMaySet(name)) << name;
  }
  for (const char* name : {"LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "BASH_ENV", "ENV",
                           "HOME", "IFS", "PS4", "", "PATH ", "PYTHON=X", "LC_\n"}) {
    EXPECT_FALSE(ImageMaySet(name)) << name;
  }
}

std::vector<OciLayer> Layers(size_t count) {
  std::vector<OciLayer> layers;
  for (size_t i = 0; i < count; ++i) {
    layers.push_back({"x", "", Digits(static_cast<char>('a' + i % 6))});
  }
  return layers;
}

TEST(OciLayers, AKeyIsTheChainId) {
  const auto groups = GroupLayers(Layers(2));
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].key, Digits('a'));
  // printf 'sha256:%s sha256:%s' a... b... | sha256sum
  EXPECT_EQ(groups[1].key, "ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c");
}

TEST(OciLayers, TheLowestStayApart) {
  const auto many = GroupLayers(Layers(20));
  const auto fewer = GroupLayers(Layers(kImageLayersMax));
  ASSERT_EQ(many.size(), kImageLayersMax);
  EXPECT_EQ(many.back().layers.size(), 20 - kImageLayersMax + 1);
  std::set<std::string> keys;
  for (size_t i = 0; i < many.size(); ++i) {
    keys.insert(many[i].key);
    EXPECT_TRUE(i + 1 == many.size() || many[i].key == fewer[i].key);
  }
  EXPECT_NE(many.back().key, fewer.back().key);
  EXPECT_EQ(keys.size(), kImageLayersMax);
  EXPECT_TRUE(GroupLayers({}).empty());
}

TEST(ImageRecord, LayersConfigAndNotesAreReadBack) {
  ImageInfo info;
  info.name = "app";
  info.digest = "sha256:" + Digits('a');
  info.source = "/srv/app.tar";
  info.created = absl::FromUnixSeconds(1'700'000'000);
  info.parts = {{Digits('b'), Digits('c')}, SomeImage().config, {"one note", "another"}};
  const auto read = ParseImageRecord(FormatImageRecord(info));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->parts.layers, info.parts.layers);
  EXPECT_EQ(read->parts.config, info.parts.config);
  EXPECT_EQ(read->parts.notes, info.parts.notes);
  info.parts.layers.push_back("../../etc");
  EXPECT_FALSE(ParseImageRecord(FormatImageRecord(info)).ok());
}

TEST(ImageRecord, AnImagesVariablesReplaceTheDefaults) {
  const auto environment = EnvironmentOf({{"PATH=/opt:/bin", "TZ=UTC"}, "", ""});
  const std::set<std::string> set(environment.begin(), environment.end());
  EXPECT_EQ(set, (std::set<std::string>{"PATH=/opt:/bin", "LANG=C.UTF-8", "TZ=UTC"}));
}

TEST(LayerRecord, IsReadBackAndOtherBytesAreRefused) {
  const LayerInfo info{Digits('a'), Digits('b'), 1, 2, 3};
  const auto read = ParseLayerRecord(FormatLayerRecord(info));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->key, info.key);
  EXPECT_EQ(read->image_bytes, 3u);
  EXPECT_FALSE(ParseLayerRecord(FormatLayerRecord({"x", Digits('b'), 1, 2, 3})).ok());
  EXPECT_FALSE(ParseLayerRecord("{}").ok());
}

}  // namespace
}  // namespace glovebox
