// One pool of threads for the process. Two engines share it, so together they never run more helpers than the machine
// (affinity mask, cgroup quota) has CPUs.
#pragma once

#include <functional>

namespace sk {

// Runs task(0) … task(count - 1) on the calling thread and up to threads - 1 helpers; returns when all are done.
// Tasks must not throw.
void run_tasks(int count, int threads, const std::function<void(int)>& task);

// CPUs that this process may use.
int usable_cpus();

}  // namespace sk
