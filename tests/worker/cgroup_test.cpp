// Control groups, on a folder that plays one: what is written where, and what cannot be.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "worker/cgroup.h"

namespace ringtime::worker {
namespace {

class CgroupTest : public testing::Test {
  protected:
    void SetUp() override {
        char path[] = "/tmp/ringtime-cgroup-XXXXXX";
        root_ = mkdtemp(path);
        // The kernel makes these files; here the test does.
        for (const char* folder : {"ringtime-gateway", "ringtime-worker-7"})
            std::filesystem::create_directory(root_ + "/" + folder);
        for (const char* file :
             {"cgroup.subtree_control", "ringtime-gateway/cgroup.procs",
              "ringtime-worker-7/memory.max", "ringtime-worker-7/memory.oom.group",
              "ringtime-worker-7/cpu.max"})
            std::ofstream(root_ + "/" + file).flush();
    }
    void TearDown() override { std::filesystem::remove_all(root_); }
    std::string content(const std::string& file) {
        std::ostringstream text;
        text << std::ifstream(root_ + "/" + file).rdbuf();
        return text.str();
    }
    std::string root_;
    std::string problem_;
};

TEST_F(CgroupTest, the_gateway_makes_room_and_a_worker_gets_its_limits) {
    Cgroups groups;
    ASSERT_TRUE(groups.open(root_, problem_)) << problem_;
    EXPECT_EQ(content("ringtime-gateway/cgroup.procs"), std::to_string(getpid()));
    EXPECT_EQ(content("cgroup.subtree_control"), "+memory +cpu");
    EXPECT_EQ(groups.make(7, {.memory_bytes = 1 << 26, .cpus = 0.5}).folder,
              root_ + "/ringtime-worker-7");
    EXPECT_EQ(content("ringtime-worker-7/memory.max"), "67108864");
    EXPECT_EQ(content("ringtime-worker-7/cpu.max"), "50000 100000");
    // One the kernel has not filled: the limit cannot be set, and nothing stays.
    EXPECT_EQ(groups.make(8, {.memory_bytes = 1}).folder, "");
    EXPECT_FALSE(std::filesystem::exists(root_ + "/ringtime-worker-8"));
}

TEST_F(CgroupTest, an_end_for_lack_of_memory_is_recognised) {
    Cgroup group{root_ + "/ringtime-worker-7"};
    EXPECT_FALSE(group.ran_out_of_memory());
    std::ofstream(group.folder + "/memory.events") << "low 0\nmax 3\noom 1\noom_kill 0\n";
    EXPECT_FALSE(group.ran_out_of_memory());
    std::ofstream(group.folder + "/memory.events") << "low 0\nmax 3\noom 1\noom_kill 1\n";
    EXPECT_TRUE(group.ran_out_of_memory());
}

TEST_F(CgroupTest, a_folder_that_is_used_again_keeps_nothing_of_its_last_worker) {
    Cgroups groups;
    ASSERT_TRUE(groups.open(root_, problem_)) << problem_;
    Cgroup first = groups.make(7, {.memory_bytes = 1 << 26, .cpus = 0.5});
    std::ofstream(first.folder + "/memory.events") << "oom_kill 1\n";
    EXPECT_TRUE(first.ran_out_of_memory());
    // It is not empty here, as one whose last process is not gone.
    groups.remove(first);
    for (const char* file : {"memory.max", "cpu.max"})
        std::filesystem::resize_file(first.folder + "/" + file, 0);
    Cgroup second = groups.make(7, {.cpus = 2});
    EXPECT_EQ(content("ringtime-worker-7/memory.max"), "max");
    EXPECT_EQ(content("ringtime-worker-7/cpu.max"), "200000 100000");
    EXPECT_FALSE(second.ran_out_of_memory());
    std::ofstream(first.folder + "/memory.events") << "oom_kill 2\n";
    EXPECT_TRUE(second.ran_out_of_memory());
}

TEST_F(CgroupTest, what_is_not_ours_is_a_problem_with_a_remedy) {
    Cgroups groups;
    EXPECT_FALSE(groups.open({}, problem_));
    EXPECT_FALSE(groups.open(root_ + "/none", problem_));
    EXPECT_NE(problem_.find("Delegate=yes"), std::string::npos);
    EXPECT_FALSE(groups.usable());
}

}  // namespace
}  // namespace ringtime::worker
