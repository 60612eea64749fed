#include "threads/pool.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <list>
#include <mutex>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace sk {

namespace {

struct Job {
    const std::function<void(int)>* task;
    int count;
    int helpers_wanted;
    int next = 0;
    int running = 0;
};

class Pool {
  public:
    explicit Pool(int cpus) : most_(cpus - 1) {}

    void run(int count, int threads, const std::function<void(int)>& task) {
        Job job{&task, count, std::min(threads, count) - 1};
        std::unique_lock lock(mutex_);
        if (job.helpers_wanted > 0) {
            spawn(job.helpers_wanted);
            jobs_.push_back(&job);
            work_.notify_all();
        }
        drain(job, lock);
        jobs_.remove(&job);
        done_.wait(lock, [&] { return job.running == 0; });
    }

  private:
    // Fewer helpers than wanted are no error: the caller works through the tasks itself.
    void spawn(int wanted) {
        try {
            for (; helpers_ < std::min(wanted, most_); ++helpers_) std::thread([this] { help(); }).detach();
        } catch (const std::system_error&) {
        }
    }

    void drain(Job& job, std::unique_lock<std::mutex>& lock) {
        ++job.running;
        while (job.next < job.count) {
            const int index = job.next++;
            lock.unlock();
            (*job.task)(index);
            lock.lock();
        }
        --job.running;
    }

    Job* open_job() {
        for (Job* job : jobs_)
            if (job->next < job->count && job->helpers_wanted > 0) return job;
        return nullptr;
    }

    void help() {
        std::unique_lock lock(mutex_);
        for (;;) {
            Job* job = nullptr;
            work_.wait(lock, [&] { return (job = open_job()) != nullptr; });
            --job->helpers_wanted;
            drain(*job, lock);
            if (job->running == 0) done_.notify_all();
        }
    }

    const int most_;
    int helpers_ = 0;
    std::mutex mutex_;
    std::condition_variable work_, done_;
    std::list<Job*> jobs_;
};

// Never destroyed: helpers may still wait in it while the process ends. A forked child has none of the threads and
// starts with a new pool.
Pool*& shared_pool() {
    static Pool* pool = [] {
#if defined(__unix__) || defined(__APPLE__)
        pthread_atfork(nullptr, nullptr, [] { shared_pool() = new Pool(usable_cpus()); });
#endif
        return new Pool(usable_cpus());
    }();
    return pool;
}

// CPUs that a cgroup v2 quota allows, rounded up; 0 when there is none.
int quota_cpus() {
    double quota = 0.0, period = 0.0;
    if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
        if (std::fscanf(file, "%lf %lf", &quota, &period) != 2) quota = 0.0;
        std::fclose(file);
    }
    return quota > 0.0 && period > 0.0 ? static_cast<int>(quota / period + 0.999) : 0;
}

}  // namespace

int usable_cpus() {
    int cpus = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = CPU_COUNT(&set);
#endif
    const int quota = quota_cpus();
    if (quota > 0) cpus = std::min(cpus, quota);
    return std::max(cpus, 1);
}

void run_tasks(int count, int threads, const std::function<void(int)>& task) {
    if (count <= 1 || threads <= 1) {
        for (int i = 0; i < count; ++i) task(i);
        return;
    }
    shared_pool()->run(count, threads, task);
}

}  // namespace sk
