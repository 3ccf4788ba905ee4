/* The lab guest's heartbeat; heartbeat.py holds the layout of the disk.
 *
 *   beat DISK SECONDS BOOT_ID TERMINAL
 *
 * A program, not a shell loop: each process that a shell starts costs a guest under emulation so much that ten guests
 * kept more than half a core busy with their heartbeats alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512, BOOTS = 63, CONFLICT = 63, RING_START = 64, RING = 4096 };

static int disk;
static const char *terminal;
static char sector[SECTOR + 1] __attribute__((aligned(4096)));

static int read_sector(long number) {
    return pread(disk, sector, SECTOR, number * SECTOR) == SECTOR;
}

static int write_sector(long number, const char *text) {
    snprintf(sector, sizeof sector, "%-*s\n", SECTOR - 1, text);
    return pwrite(disk, sector, SECTOR, number * SECTOR) == SECTOR;
}

static void say(const char *text) {
    int out = open(terminal, O_WRONLY | O_NOCTTY);
    if (out < 0) return;
    dprintf(out, "%s\n", text);
    close(out);
}

static void read_uptime(char into[32]) {
    FILE *file = fopen("/proc/uptime", "r");
    if (!file || fscanf(file, "%31s", into) != 1) strcpy(into, "0");
    if (file) fclose(file);
}

int main(int count, char **words) {
    char text[256], uptime[32], found_boot[64];
    long number = 0, counter = 1, found;
    if (count != 5) return 2;
    const char *boot = words[3];
    terminal = words[4];
    disk = open(words[1], O_RDWR | O_DIRECT);
    if (disk < 0) return 1;

    while (number < BOOTS - 1 && read_sector(number) && !strncmp(sector, "boot ", 5)) number++;
    snprintf(text, sizeof text, "boot %s", boot);
    write_sector(number, text);

    for (;; sleep(atoi(words[2]))) {
        read_uptime(uptime);
        number = RING_START + counter % RING;
        /* This sector can hold our own counter only if a second copy of this very boot is running and is ahead of us. */
        if (read_sector(number) && sscanf(sector, "%*s %63s %ld", found_boot, &found) == 2 &&
            !strcmp(found_boot, boot) && found >= counter) {
            snprintf(text, sizeof text, "conflict %s %ld %s", boot, counter, uptime);
            write_sector(CONFLICT, text);
            snprintf(text, sizeof text, "CONFLICT %s %ld %s", boot, counter, uptime);
            say(text);
        }
        snprintf(text, sizeof text, "beat %s %ld %s", boot, counter, uptime);
        int written = write_sector(number, text);
        if (!written) snprintf(text, sizeof text, "WRITE FAILED %s %ld %s", boot, counter, uptime);
        say(text);
        counter += written;
    }
}
