// The tree over yaml-cpp's events, and JSON made of it.

#include "config/yaml_tree.h"
#include "support.h"

namespace ringtime::config {
namespace {

std::string as_json(std::string_view text) {
    Diagnostics diagnostics;
    YamlNode node;
    if (!parse_yaml(text, "f.yaml", manifest_limits, node, diagnostics))
        return diagnostics.render();
    std::string json;
    append_json(json, node);
    return json;
}

TEST(Yaml, plain_scalars_keep_their_json_type) {
    EXPECT_EQ(as_json("[1, -2.5e3, true, false, null, ~, '', \"1\", 'true', x]"),
              R"([1,-2.5e3,true,false,null,null,"","1","true","x"])");
    EXPECT_EQ(as_json("[01, 1., .5, +1, 0x10, 1_000, .inf, yes, -, -0, 0e0, 1e, 1.5.0]"),
              R"(["01","1.",".5","+1","0x10","1_000",".inf","yes","-",-0,0e0,"1e","1.5.0"])");
    EXPECT_EQ(as_json("a: !!str 5\nb: |\n  12\nc: >\n  true\n"),
              R"({"a":"5","b":"12\n","c":"true\n"})");
}

TEST(Yaml, maps_keep_their_order) {
    EXPECT_EQ(as_json("z: 1\na: {y: 2, b: 3}\nm:\n"), R"({"z":1,"a":{"y":2,"b":3},"m":null})");
}

TEST(Yaml, aliases_are_copies) {
    EXPECT_EQ(as_json("a: &x {b: [1]}\nc: *x\nd: [*x, *x]"),
              R"({"a":{"b":[1]},"c":{"b":[1]},"d":[{"b":[1]},{"b":[1]}]})");
}

TEST(Yaml, positions_count_from_one) {
    Diagnostics diagnostics;
    YamlNode root;
    ASSERT_TRUE(
        parse_yaml("a: 1\nb:\n  - x\n  -   {c: 2}\n", "f", manifest_limits, root, diagnostics));
    const YamlNode& b = *root.find("b");
    EXPECT_EQ(root.items[2].at, (Position{2, 1}));
    EXPECT_EQ(b.items[0].at, (Position{3, 5}));
    EXPECT_EQ(b.items[1].find("c")->at, (Position{4, 11}));
    EXPECT_EQ(root.find("absent"), nullptr);
}

TEST(Yaml, an_empty_text_is_null) {
    for (std::string_view text : {"", "\n", "# only a comment\n", "---\n"}) {
        EXPECT_EQ(as_json(text), "null") << text;
    }
}

TEST(Yaml, refuses_what_could_mislead) {
    struct Row {
        std::string_view text, expected;
    };
    for (const Row& row : std::initializer_list<Row>{
             {"a: 1\nb: 2\na: 3\n",
              "f.yaml:3:1: error: the key \"a\" stands here a second time; the first is on line "
              "1\n"},
             {"a: {b: 1, 'b': 2}\n",
              "f.yaml:1:11: error: the key \"b\" stands here a second time; the first is on line "
              "1\n"},
             {"a: 1\n---\nb: 2\n",
              "f.yaml:2:1: error: a second document begins here; a file holds one "
              "document: remove the \"---\"\n"},
             {"[a]: 1\n",
              "f.yaml:1:1: error: a key is a list; keys are words; quote a value that begins with "
              "[ or {\n"},
             {"a: &x [*x]\n", "f.yaml:1:8: error: this alias lies inside what it stands for\n"},
             {"a: *gone\n",
              "f.yaml:1:4: error: this is not YAML: the referenced anchor is not defined\n"},
             {"b: &b {c: 1}\na:\n  <<: *b\n",
              "f.yaml:3:3: error: merge keys (<<) are not part of YAML 1.2; repeat the keys, or "
              "alias the "
              "whole value\n"},
             {"a: !secret x\n",
              "f.yaml:1:4: error: the tag \"!secret\" means nothing here; remove it\n"},
             {"a: \"x\\0y\"\n", "f.yaml:1:4: error: a value holds a zero byte\n"},
             {std::string_view("a: b\0c\n", 7),
              "f.yaml:1:5: error: the byte 0x00 is no text; save the file as UTF-8\n"},
             {"# \xc3\xa4\nname: \xe4\n",
              "f.yaml:2:7: error: the byte 0xe4 is no text; save the file as UTF-8\n"},
             {"a: [/b?c]\n",
              "f.yaml:1:7: error: this is not YAML: unknown token; quote texts within [] and {} "
              "that hold ? or *\n"},
             {"a: b: c\n", "f.yaml:1:5: error: this is not YAML: illegal map value\n"},
             {"a: [1, 2\n",
              "f.yaml:2:1: error: this is not YAML: end of sequence flow not found\n"},
             {"a:\n\t- b\n", "f.yaml:2:2: error: this is not YAML: illegal block entry\n"}}) {
        EXPECT_EQ(as_json(row.text), row.expected) << row.text;
    }
}

TEST(Yaml, limits_hold) {
    YamlLimits limits{100, 10, 3, 3};
    auto fault = [&](std::string_view text) {
        Diagnostics diagnostics;
        YamlNode node;
        bool good = parse_yaml(text, "f", limits, node, diagnostics);
        EXPECT_EQ(good, diagnostics.ok());
        return diagnostics.render();
    };
    EXPECT_EQ(fault("[[[1]]]"), "");
    EXPECT_EQ(fault("[[[[1]]]]"), "f:1:4: error: nested deeper than 3 levels\n");
    EXPECT_EQ(fault("[1,2,3,4,5,6,7,8,9]"), "");
    EXPECT_EQ(fault("[1,2,3,4,5,6,7,8,9,10]"),
              "f:1:20: error: more than 10 values; aliases count as often as they are used\n");
    EXPECT_EQ(fault("[&a [1,2,3],*a]"),
              "f:1:13: error: more than 10 values; aliases count as often as they are used\n");
    EXPECT_EQ(fault("[&a " + std::string(80, 'x') + ",*a,*a,*a]"), "");
    EXPECT_EQ(fault("[&a " + std::string(80, 'x') + ",*a,*a,*a,*a]"),
              "f:1:95: error: more than 400b of text; aliases count as often as they are used\n");
    EXPECT_EQ(fault("{a: 1, b: 2, c: 3, d: 4}"), "f:1:20: error: a map has more than 3 keys\n");
    EXPECT_EQ(fault(std::string(101, ' ')),
              "f: error: has 101 bytes, more than the 100b allowed\n");
}

TEST(Yaml, only_regular_files_of_bounded_size_are_read) {
    TempTree tree;
    Diagnostics diagnostics;
    YamlNode node;
    tree.folder("folder");
    ASSERT_EQ(::mkfifo(tree.path("pipe").c_str(), 0600), 0);
    tree.write("large", std::string(2 << 20, ' '));
    for (std::string name : {"absent", "folder", "pipe", "large", "/dev/zero"}) {
        std::string path = name.front() == '/' ? name : tree.path(name);
        EXPECT_FALSE(load_yaml(path, name, manifest_limits, node, diagnostics));
    }
    EXPECT_EQ(messages(diagnostics),
              (Lines{"absent: error: the file cannot be read: No such file or directory",
                     "folder: error: the file is not a regular file",
                     "pipe: error: the file is not a regular file",
                     "large: error: the file has 2mb, more than the 1mb allowed",
                     "/dev/zero: error: the file is not a regular file"}));
}

}  // namespace
}  // namespace ringtime::config
