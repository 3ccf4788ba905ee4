/* A lab guest that was booted beforehand waits here for what it is to be; saved.py says why.
 *
 *   await DISK OFFSET
 *
 * Prints the line that stands at OFFSET of DISK once one that begins with "guest=" does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512, TICK_US = 20 * 1000 };

static char sector[SECTOR + 1] __attribute__((aligned(4096)));

int main(int count, char **words) {
    if (count != 3) return 2;
    int disk = open(words[1], O_RDONLY | O_DIRECT);
    if (disk < 0) return 1;
    while (pread(disk, sector, SECTOR, atol(words[2])) != SECTOR || strncmp(sector, "guest=", 6)) usleep(TICK_US);
    return puts(sector) < 0;
}
