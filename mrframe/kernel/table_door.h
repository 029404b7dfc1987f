/* The door to the table, for the module. */
#ifndef MRFRAME_TABLE_DOOR_H
#define MRFRAME_TABLE_DOOR_H

#include "scan_door.h"

int add_table_type(PyObject *module);

#endif
