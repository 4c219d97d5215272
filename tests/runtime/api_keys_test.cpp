#include "runtime/api_keys.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace ringtime::runtime {
namespace {

using exchange::Role;

class Keys : public testing::Test {
 protected:
    Keys() {
        char name[] = "/tmp/ringtime-keys-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~Keys() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::string file() const { return folder_ + "/keys.json"; }
    [[nodiscard]] std::string text() const {
        std::ifstream stream(file());
        return {std::istreambuf_iterator<char>(stream), {}};
    }
    void write(const std::string& content) const { std::ofstream(file()) << content; }

    std::string folder_;
    std::string problem_;
    ApiKey made_;
};

TEST_F(Keys, a_key_opens_what_its_role_allows_and_survives_a_restart) {
    KeyStore store(file());
    ASSERT_TRUE(store.load(problem_)) << problem_;
    EXPECT_TRUE(store.empty());
    auto key = store.create("ci", Role::editor, made_, problem_);
    ASSERT_TRUE(key) << problem_;
    EXPECT_TRUE(key->starts_with("rtk_"));
    KeyStore again(file());
    ASSERT_TRUE(again.load(problem_)) << problem_;
    for (const KeyStore* one : {&store, &again}) {
        auto holder = one->check(*key);
        ASSERT_TRUE(holder);
        EXPECT_EQ(holder->name, "ci");
        EXPECT_EQ(holder->role, Role::editor);
    }
}

TEST_F(Keys, only_the_exact_text_opens) {
    KeyStore store(file());
    std::string key = *store.create("ci", Role::admin, made_, problem_);
    for (size_t i = 0; i < key.size(); ++i) {
        std::string wrong = key;
        wrong[i] = wrong[i] == '0' ? '1' : '0';
        EXPECT_FALSE(store.check(wrong)) << i;
        EXPECT_FALSE(store.check(key.substr(0, i))) << i;
    }
    EXPECT_FALSE(store.check(key + "0"));
    EXPECT_FALSE(store.check(""));
    EXPECT_TRUE(store.check(key));
}

TEST_F(Keys, the_file_is_private_and_holds_no_secret) {
    KeyStore store(file());
    std::string key = *store.create("ci", Role::admin, made_, problem_);
    struct stat status {};
    ASSERT_EQ(::stat(file().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600U);
    EXPECT_EQ(text().find(key.substr(key.size() - 40)), std::string::npos);
    EXPECT_EQ(text().find(key.substr(key.size() - 8)), std::string::npos);
    // Two keys never share a salt.
    ApiKey other;
    ASSERT_TRUE(store.create("ci", Role::admin, other, problem_));
    EXPECT_NE(made_.salt, other.salt);
    size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++files;
    EXPECT_EQ(files, 1U);
}

TEST_F(Keys, removal_goes_by_id_or_by_a_name_that_is_clear) {
    KeyStore store(file());
    std::string first = *store.create("ci", Role::viewer, made_, problem_);
    ApiKey other;
    std::string second = *store.create("ci", Role::viewer, other, problem_);
    EXPECT_EQ(store.remove("ci", problem_), KeyStore::Removal::ambiguous);
    EXPECT_EQ(store.remove("nobody", problem_), KeyStore::Removal::unknown);
    EXPECT_EQ(store.remove(made_.id, problem_), KeyStore::Removal::removed);
    EXPECT_FALSE(store.check(first));
    EXPECT_TRUE(store.check(second));
    EXPECT_EQ(store.remove("ci", problem_), KeyStore::Removal::removed);
    EXPECT_TRUE(store.empty());
}

TEST_F(Keys, names_are_plain_words) {
    KeyStore store(file());
    for (const char* name : {"", "a b", "a\"b", "a\nb", "\xff", "a/b"})
        EXPECT_FALSE(store.create(name, Role::viewer, made_, problem_)) << name;
    EXPECT_FALSE(store.create(std::string(65, 'a'), Role::viewer, made_, problem_));
    EXPECT_TRUE(store.create("me@example.com", Role::viewer, made_, problem_)) << problem_;
}

TEST_F(Keys, a_damaged_file_opens_nothing_and_is_not_replaced) {
    KeyStore good(file());
    std::string key = *good.create("ci", Role::admin, made_, problem_);
    std::string whole = text();
    for (std::string content : {std::string("x"), std::string("{}"), whole.substr(0, 60),
                                std::string(R"({"keys":[{"id":"x"}]})")}) {
        write(content);
        KeyStore store(file());
        EXPECT_FALSE(store.load(problem_)) << content;
        EXPECT_FALSE(store.check(key));
        EXPECT_FALSE(store.create("new", Role::viewer, made_, problem_));
        EXPECT_EQ(text(), content);
    }
}

TEST_F(Keys, a_folder_that_cannot_be_written_is_an_error_with_its_cause) {
    KeyStore store(folder_ + "/missing/keys.json");
    EXPECT_FALSE(store.create("ci", Role::viewer, made_, problem_));
    EXPECT_NE(problem_.find("No such file"), std::string::npos) << problem_;
    EXPECT_TRUE(store.empty());
}

}  // namespace
}  // namespace ringtime::runtime
